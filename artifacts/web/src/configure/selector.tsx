import { useText } from "../text.tsx";
import { Group, useEditing } from "./fields.tsx";
import { OPERATORS, type Requirement } from "./form.ts";

/** Conditions on the labels of Namespaces, a row for each. */
export function Selector() {
  const { form, set } = useEditing();
  const text = useText().selector;
  const change = (at: number, change: Partial<Requirement>) =>
    set({ selector: form.selector.map((requirement, index) => (index === at ? { ...requirement, ...change } : requirement)) });
  return (
    <Group field="selector">
      {form.selector.map(({ key, operator, values }, at) => (
        <div class="requirement">
          <input aria-label={text.key} placeholder="environment" spellcheck={false} value={key} onInput={({ currentTarget }) => change(at, { key: currentTarget.value })} />
          <select aria-label={text.operator} value={operator} onChange={({ currentTarget }) => change(at, { operator: currentTarget.value as Requirement["operator"] })}>
            {OPERATORS.map((operator) => <option value={operator}>{text.operators[operator]}</option>)}
          </select>
          {operator === "Exists" || operator === "DoesNotExist" ? (
            <span class="nothing" />
          ) : (
            <input aria-label={text.values} placeholder={operator === "=" ? "production" : "staging, production"} spellcheck={false} value={values} onInput={({ currentTarget }) => change(at, { values: currentTarget.value })} />
          )}
          <button type="button" class="quiet" aria-label={text.remove} title={text.remove} onClick={() => set({ selector: form.selector.filter((_, index) => index !== at) })}>
            <svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="M5 5l10 10M15 5 5 15" /></svg>
          </button>
        </div>
      ))}
      <button type="button" class="add" onClick={() => set({ selector: [...form.selector, { key: "", operator: "=", values: "" }] })}>{text.add}</button>
    </Group>
  );
}
