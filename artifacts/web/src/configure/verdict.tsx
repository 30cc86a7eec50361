import { useText } from "../text.tsx";
import { idOf } from "./fields.tsx";
import type { Field, Remark } from "./judge.ts";

interface Props {
  errors: Remark[];
  isTouched: (field: Field) => boolean;
  /** Shows a field and what is wrong with it. */
  goTo: (remark: Remark) => void;
}

/** Whether admission accepts a file. What is wrong with a field that nobody was at is only what is still needed. */
export function Verdict({ errors, isTouched, goTo }: Props) {
  const text = useText();
  const wrong = errors.filter(({ field }) => isTouched(field));
  const needed = errors.filter(({ field }) => !isTouched(field));
  const link = (remark: Remark, words: string) => (
    <a href={`#${idOf(remark.field)}`} onClick={(event) => { event.preventDefault(); goTo(remark); }}>{words}</a>
  );
  const fields = [...new Map(needed.map((remark) => [remark.field, remark])).values()];
  return (
    <div role="status" class={`verdict ${stateOf(errors, isTouched)}`}>
      {errors.length === 0 && <p>{text.output.accepted}</p>}
      {wrong.length > 0 && <p>{text.output.refused(wrong.length)}</p>}
      {wrong.length > 0 && <ul>{wrong.map((remark) => <li lang="en">{link(remark, remark.sentence)}</li>)}</ul>}
      {fields.length > 0 && (
        <p class="still-needed">
          {text.output.needed}
          {fields.map((remark, index) => <>{index > 0 && text.output.comma}{link(remark, labelOf(remark, text.fields))}</>)}
        </p>
      )}
    </div>
  );
}

/** `admitted`, `refused`, or `needed` while nothing is wrong but what nobody has filled in. */
export function stateOf(errors: Remark[], isTouched: (field: Field) => boolean): "admitted" | "needed" | "refused" {
  if (errors.length === 0) return "admitted";
  return errors.some(({ field }) => isTouched(field)) ? "refused" : "needed";
}

function labelOf({ field, sentence }: Remark, fields: object): string {
  return (fields as Record<string, { label: string } | undefined>)[field]?.label ?? sentence;
}
