/** Fields with their labels, help and what admission says about them. */
import { type ComponentChildren, createContext } from "preact";
import { useContext } from "preact/hooks";
import { useText } from "../text.tsx";
import type { Form } from "./form.ts";
import type { Field, Remark } from "./judge.ts";

export interface Editing {
  form: Form;
  set: (change: Partial<Form>) => void;
  /** Whether the reader has been at a field: a form that nobody has filled in is not wrong yet. */
  isTouched: (field: Field) => boolean;
  touch: (field: Field) => void;
  errors: Remark[];
  warnings: Remark[];
}

const FormContext = createContext<Editing | null>(null);
export const EditingProvider = FormContext.Provider;

export function useEditing(): Editing {
  const editing = useContext(FormContext);
  if (!editing) throw new Error("a field stands outside of a form");
  return editing;
}

/** Names of the fields whose value is a text. */
type TextField = { [K in keyof Form]: Form[K] extends string ? (string extends Form[K] ? K : never) : never }[keyof Form];
type FlagField = { [K in keyof Form]: Form[K] extends boolean ? K : never }[keyof Form];
type ChoiceField = Exclude<{ [K in keyof Form]: Form[K] extends string ? K : never }[keyof Form], TextField>;

interface TextProps {
  field: TextField;
  placeholder?: string;
  suggestions?: readonly string[];
  rows?: number;
  isPassword?: boolean;
}

export function TextInput({ field, placeholder, suggestions, rows, isPassword }: TextProps) {
  const { form, set, touch } = useEditing();
  const { label, help } = useText().fields[field];
  const { described, isWrong, remarks } = useRemarks(field);
  const shared = {
    id: idOf(field),
    value: form[field],
    placeholder,
    spellcheck: false,
    autocomplete: "off" as const,
    "aria-describedby": described,
    "aria-invalid": isWrong,
    onBlur: () => touch(field),
    onInput: ({ currentTarget }: { currentTarget: { value: string } }) => set({ [field]: currentTarget.value }),
  };
  return (
    <div class="field">
      <label for={idOf(field)}>{label}</label>
      {rows ? <textarea {...shared} rows={rows} /> : isPassword ? <input {...shared} type="password" /> : <input {...shared} type="text" list={suggestions && `${field}-suggestions`} />}
      {suggestions && <datalist id={`${field}-suggestions`}>{suggestions.map((value) => <option value={value} />)}</datalist>}
      <Help field={field} help={help} />
      {remarks}
    </div>
  );
}

export function Choice<K extends ChoiceField>({ field, values }: { field: K; values: readonly Form[K][] }) {
  const { form, set, touch } = useEditing();
  const text = useText();
  const { label, help } = text.fields[field];
  const { described, isWrong, remarks } = useRemarks(field);
  const words = text.choices[field] as Record<string, string>;
  return (
    <div class="field">
      <label for={idOf(field)}>{label}</label>
      <select
        id={idOf(field)}
        value={form[field]}
        aria-describedby={described}
        aria-invalid={isWrong}
        onBlur={() => touch(field)}
        onChange={({ currentTarget }) => set({ [field]: currentTarget.value })}
      >
        {values.map((value) => <option value={value}>{words[value]}</option>)}
      </select>
      <Help field={field} help={help} />
      {remarks}
    </div>
  );
}

/** A choice that decides what else is asked. */
export function Radios<K extends "source" | "passwordFrom">({ field, values }: { field: K; values: readonly Form[K][] }) {
  const { form, set } = useEditing();
  const text = useText();
  const words = text.choices[field] as Record<string, string>;
  return (
    <fieldset class="field radios">
      <legend>{text.fields[field].label}</legend>
      {values.map((value) => (
        <label class="option">
          <input type="radio" name={field} value={value} checked={form[field] === value} onChange={() => set({ [field]: value })} />
          <span>{words[value]}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function Flag({ field }: { field: FlagField }) {
  const { form, set } = useEditing();
  const { label, help } = useText().fields[field];
  const { described, remarks } = useRemarks(field);
  return (
    <div class="field">
      <label class="option">
        <input id={idOf(field)} type="checkbox" checked={form[field]} aria-describedby={described} onChange={({ currentTarget }) => set({ [field]: currentTarget.checked })} />
        <span>{label}</span>
      </label>
      <Help field={field} help={help} />
      {remarks}
    </div>
  );
}

interface GroupProps {
  field: "domains" | "privateDomains" | "selector" | "tenants";
  children: ComponentChildren;
}

/** Several controls that admission judges as one. */
export function Group({ field, children }: GroupProps) {
  const { touch } = useEditing();
  const { label, help } = useText().fields[field];
  const { described, remarks } = useRemarks(field);
  return (
    <fieldset class="field group" id={idOf(field)} tabIndex={-1} aria-describedby={described} onFocusOut={() => touch(field)}>
      <legend>{label}</legend>
      <Help field={field} help={help} />
      {children}
      {remarks}
    </fieldset>
  );
}

export function idOf(field: Field): string {
  return `field-${field}`;
}

function Help({ field, help }: { field: Field; help: string }) {
  return help ? <p class="help" id={`${idOf(field)}-help`}>{help}</p> : null;
}

/** What admission says about a field, and the attributes by which its control says so. */
function useRemarks(field: Field) {
  const { errors, warnings, isTouched } = useEditing();
  const help = (useText().fields as Record<string, { help: string }>)[field]?.help;
  const wrong = isTouched(field) ? unique(errors.filter((remark) => remark.field === field)) : [];
  const worth = unique(warnings.filter((remark) => remark.field === field));
  const id = `${idOf(field)}-remarks`;
  const remarks = (
    <div id={id} class="remarks" lang="en">
      {wrong.map((message) => <p class="error">{message}</p>)}
      {worth.map((message) => <p class="warning">{message}</p>)}
    </div>
  );
  return { described: help ? `${idOf(field)}-help ${id}` : id, isWrong: wrong.length > 0, remarks };
}

/** The object and the settings may say the same of one field. */
function unique(remarks: Remark[]): string[] {
  return [...new Set(remarks.map(({ message }) => message))];
}
