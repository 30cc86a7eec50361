import { useState } from "preact/hooks";
import { CopyButton } from "../copy.tsx";
import { secretName } from "../policy.ts";
import { useText } from "../text.tsx";
import type { Form } from "./form.ts";
import type { Field, Judgement, Remark } from "./judge.ts";
import { Verdict } from "./verdict.tsx";
import { hasSecret, isBeyondTheChart } from "./objects.ts";
import { FILE_NAMES, type Output, OUTPUTS, show, write } from "./outputs.ts";
import { Yaml } from "./yaml.tsx";

interface Props {
  form: Form;
  judgement: Judgement;
  isTouched: (field: Field) => boolean;
  /** Shows a field and what is wrong with it. */
  goTo: (remark: Remark) => void;
  /** Whoever takes a file wants to know all that is wrong with it. */
  onTake: () => void;
  onTry: () => void;
}

/** What the form leads to, as files. */
export function OutputPanel({ form, judgement, isTouched, goTo, onTake, onTry }: Props) {
  const text = useText();
  const [output, setOutput] = useState<Output>("imagepullsecret");
  const [isRevealed, setRevealed] = useState(false);
  const hasPassword = form.source === "docker" && form.passwordFrom === "plain" && form.password !== "" && output !== "policy";

  const take = () => {
    onTake();
    return write(output, form);
  };
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    const next = OUTPUTS[(OUTPUTS.indexOf(output) + by + OUTPUTS.length) % OUTPUTS.length] ?? output;
    setOutput(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <section class="card output" aria-labelledby="output-heading">
      <h2 id="output-heading">{text.output.title}</h2>
      <div role="tablist" aria-labelledby="output-heading" class="tabs" onKeyDown={move}>
        {OUTPUTS.map((name) => (
          <button type="button" role="tab" id={`tab-${name}`} aria-selected={name === output} aria-controls="output" tabIndex={name === output ? 0 : -1} onClick={() => setOutput(name)}>
            {text.output.names[name]}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="output" aria-labelledby={`tab-${output}`}>
        <Verdict errors={errorsOf(output, judgement)} isTouched={isTouched} goTo={goTo} />
        {output === "values" && isBeyondTheChart(form) && <p class="warning">{text.output.beyondTheChart}</p>}
        <Yaml text={isRevealed ? write(output, form) : show(output, form)} label={FILE_NAMES[output]} />
        <div class="actions">
          <CopyButton id="copy" isPrimary label={text.copy} text={take} />
          <button type="button" id="download" onClick={() => download(FILE_NAMES[output], take())}>{text.download}</button>
          {hasPassword && (
            <button type="button" id="reveal" class="quiet" aria-pressed={isRevealed} onClick={() => setRevealed(!isRevealed)}>{text.output.reveal}</button>
          )}
          {output === "policy" && <button type="button" id="try-settings" class="quiet" onClick={onTry}>{text.output.tryIt}</button>}
        </div>
        <p class="help">{output === "imagepullsecret" && !hasSecret(form) ? text.output.withoutSecret : text.output.help[output](secretName(form.name))}</p>
        <pre class="command" tabIndex={0} aria-label={text.output.command}><code>{COMMANDS[output]}</code></pre>
      </div>
    </section>
  );
}

const COMMANDS: Record<Output, string> = {
  imagepullsecret: "kubectl apply -f imagepullsecret.yaml",
  values: "helm upgrade --install tcr-assistant artifacts/chart \\\n  -n tcr-assistant-system --create-namespace -f values.yaml",
  policy: "kubectl apply -f clusteradmissionpolicy.yaml",
};

/** The values carry everything; the policy has its own settings only. */
function errorsOf(output: Output, { errors, settingsErrors, hostsErrors }: Judgement): Remark[] {
  switch (output) {
    case "imagepullsecret":
      return errors;
    case "values":
      return [...errors, ...settingsErrors, ...hostsErrors];
    case "policy":
      return settingsErrors;
  }
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}
