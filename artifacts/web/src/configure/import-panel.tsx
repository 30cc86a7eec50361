import { useState } from "preact/hooks";
import { Unreadable } from "../documents.ts";
import { findings } from "../policy.ts";
import { useText } from "../text.tsx";
import { type Form } from "./form.ts";
import { type Candidate, candidates, type Link } from "./import.ts";
import { allowedBy } from "./judge.ts";

interface Props {
  form: Form;
  onImport: (form: Form) => void;
}

type Outcome = { kind: "done"; name: string; lost: string[]; link?: Link } | { kind: "choose"; found: Candidate[] } | { kind: "failed"; message: string };

/** Starts from what exists. */
export function Import({ form, onImport }: Props) {
  const text = useText().import;
  const [source, setSource] = useState("");
  const [outcome, setOutcome] = useState<Outcome | null>(null);

  const take = ({ name, form: imported, object, link }: Candidate) => {
    onImport(imported);
    // What the form does not hold: fields that admission does not know, or values of another type.
    const lost = object === undefined ? [] : findings(object, allowedBy(form), {}).errors.filter(({ message }) => /^(unknown field|expected )/.test(message));
    setOutcome({ kind: "done", name, lost: lost.map(({ field, message }) => `${field}: ${message}`), ...(link && { link }) });
    // A password in it is in the form now, and nowhere else.
    setSource("");
  };
  const start = () => {
    try {
      const found = candidates(source);
      const [first, ...others] = found;
      if (!first) setOutcome({ kind: "failed", message: text.nothing });
      else if (others.length === 0) take(first);
      else setOutcome({ kind: "choose", found });
    } catch (cause) {
      if (!(cause instanceof Unreadable)) throw cause;
      setOutcome({ kind: "failed", message: cause.message });
    }
  };
  return (
    <details class="card import">
      <summary>{text.title}</summary>
      <label for="import-text">{text.label}</label>
      <textarea id="import-text" rows={6} spellcheck={false} value={source} placeholder={text.placeholder} aria-describedby="import-help" onInput={({ currentTarget }) => setSource(currentTarget.value)} />
      <p class="help" id="import-help">{text.help}</p>
      <button type="button" id="import" disabled={source.trim() === ""} onClick={start}>{text.start}</button>
      <div role="status" id="import-outcome">
        {outcome?.kind === "failed" && <p class="error">{outcome.message}</p>}
        {outcome?.kind === "choose" && (
          <>
            <p>{text.several}</p>
            <div class="choices">{outcome.found.map((candidate) => <button type="button" onClick={() => take(candidate)}>{candidate.name || "?"}</button>)}</div>
          </>
        )}
        {outcome?.kind === "done" && (
          <>
            <p class="done">{text.done(outcome.name)}</p>
            {outcome.link && <p class="link-state">{text.link} <span lang="en">{outcome.link.summary}: {outcome.link.message}</span></p>}
            {outcome.lost.length > 0 && <><p>{text.lost}</p><ul class="errors">{outcome.lost.map((sentence) => <li lang="en">{sentence}</li>)}</ul></>}
          </>
        )}
      </div>
    </details>
  );
}
