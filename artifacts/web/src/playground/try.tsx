import { useMemo } from "preact/hooks";
import { read, Unreadable } from "../documents.ts";
import { Editor } from "../editor.tsx";
import { CopyButton } from "../copy.tsx";
import { useText } from "../text.tsx";
import { Diff } from "./diff.tsx";
import { type Action, type Answer, evaluate, readSettings, type Refused } from "./evaluate.ts";
import { SAMPLE_SETTINGS, SAMPLES, sample } from "./samples.ts";
import type { Trial } from "./trial.ts";

interface Props {
  trial: Trial;
  setTrial: (trial: Trial) => void;
}

/** What the texts lead to: answers, or what is wrong with one of the texts. */
interface Outcome {
  answers: Answer[];
  manifestsProblem?: string;
  settingsProblems: string[];
}

export function Try({ trial, setTrial }: Props) {
  const text = useText();
  const settings = useMemo(() => judgeSettings(trial.settings, text.line), [trial.settings, text]);
  const outcome = useMemo(() => judge(trial, settings, text.line), [trial, settings, text]);
  const chosen = SAMPLES.find((name) => sample(name) === trial.manifests) ?? "";
  const { answers } = outcome;

  return (
    <div class="try">
      <div class="intro">
        <h1>{text.try.title}</h1>
        <p>{text.try.lead}</p>
      </div>
      <div class="inputs">
        <section class="card" aria-labelledby="manifests-heading">
          <div class="card-head">
            <h2 id="manifests-heading">{text.try.manifests}</h2>
            <label class="inline">
              <span>{text.try.sample}</span>
              <select
                id="sample"
                value={chosen}
                onChange={({ currentTarget }) => {
                  const manifests = sample(currentTarget.value);
                  if (manifests !== undefined) setTrial({ ...trial, manifests, settings: SAMPLE_SETTINGS });
                }}
              >
                <option value="" disabled>{text.try.noSample}</option>
                {SAMPLES.map((name) => <option value={name}>{name}</option>)}
              </select>
            </label>
          </div>
          <Editor id="manifests" label={text.try.manifests} value={trial.manifests} onChange={(manifests) => setTrial({ ...trial, manifests })} />
          <Problems id="manifests-problem" problems={outcome.manifestsProblem ? [outcome.manifestsProblem] : []} />
          <div class="card-foot">
            <label class="inline">
              <span>{text.try.operation}</span>
              <select id="operation" value={trial.operation} onChange={({ currentTarget }) => setTrial({ ...trial, operation: currentTarget.value as Action })}>
                {(["CREATE", "UPDATE", "DELETE"] as const).map((operation) => <option value={operation}>{text.try.operations[operation]}</option>)}
              </select>
            </label>
            <label class="inline grow">
              <span>{text.try.username}</span>
              <input id="username" value={trial.username} spellcheck={false} autocomplete="off" onInput={({ currentTarget }) => setTrial({ ...trial, username: currentTarget.value })} />
            </label>
          </div>
        </section>
        <section class="card" aria-labelledby="settings-heading">
          <div class="card-head">
            <h2 id="settings-heading">{text.try.settings}</h2>
          </div>
          <Editor id="settings" label={text.try.settings} value={trial.settings} onChange={(settings) => setTrial({ ...trial, settings })} />
          <Problems id="settings-problem" problems={outcome.settingsProblems} />
        </section>
      </div>
      <section class="answers" aria-labelledby="answers-heading">
        <div class="answers-head">
          <h2 id="answers-heading">{text.try.answers}</h2>
          <CopyButton id="copy-link" text={() => location.href} label={text.try.copyLink} />
        </div>
        <p class="note">{text.try.linkNote}</p>
        <p class="counts" role="status">{text.try.counts(count(answers, "admitted"), count(answers, "patched"), count(answers, "refused"))}</p>
        <ol class="answer-list">{answers.map((answer) => <AnswerCard answer={answer} />)}</ol>
      </section>
    </div>
  );
}

function AnswerCard({ answer }: { answer: Answer }) {
  const text = useText();
  const { verdict, subject, code, message, warnings, annotations, patch, change } = answer;
  const isQuiet = !message && warnings.length === 0 && annotations.length === 0 && patch.length === 0;
  return (
    <li class={`answer ${verdict}`} data-verdict={verdict}>
      <h3>
        <span class="badge">{text.try.verdicts[verdict]}</span>
        <span class="subject">{subject}</span>
        {code !== undefined && <span class="code">{code}</span>}
      </h3>
      {message && <p class="message" lang="en">{message}</p>}
      {isQuiet && <p class="quiet-answer">{text.try.nothing}</p>}
      {annotations.length > 0 && (
        <dl class="annotations">
          {annotations.map(([key, value]) => (
            <div><dt>{text.try.annotations[key] ?? key}</dt><dd lang="en">{value}</dd></div>
          ))}
        </dl>
      )}
      {warnings.length > 0 && (
        <ul class="warnings">{warnings.map((warning) => <li lang="en">{warning}</li>)}</ul>
      )}
      {change && <Diff {...change} />}
      {patch.length > 0 && (
        <details class="json-patch">
          <summary>{text.try.jsonPatch}</summary>
          <pre tabIndex={0}>{JSON.stringify(patch, null, 1)}</pre>
        </details>
      )}
    </li>
  );
}

function Problems({ id, problems }: { id: string; problems: string[] }) {
  return (
    <div id={id} role="status">
      {problems.length > 0 && <ul class="errors">{problems.map((problem) => <li lang="en">{problem}</li>)}</ul>}
    </div>
  );
}

/** What the settings are as JSON, or what is wrong with them. */
function judgeSettings(settings: string, line: (line: number) => string): string | Refused {
  try {
    return readSettings(settings);
  } catch (cause) {
    return { mistakes: [told(cause, line)] };
  }
}

/** Everything that is said, from the texts alone. */
function judge({ manifests, operation, username }: Trial, settings: string | Refused, line: (line: number) => string): Outcome {
  performance.mark("evaluate-start");
  const outcome: Outcome = { answers: [], settingsProblems: typeof settings === "string" ? [] : settings.mistakes };
  try {
    const documents = read(manifests);
    if (typeof settings === "string") outcome.answers = evaluate(documents, settings, { operation, username });
  } catch (cause) {
    outcome.manifestsProblem = told(cause, line);
  }
  performance.measure("evaluate", "evaluate-start");
  return outcome;
}

function told(cause: unknown, line: (line: number) => string): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return cause instanceof Unreadable && cause.line !== undefined && !message.includes("at line") ? `${line(cause.line)}: ${message}` : message;
}

function count(answers: Answer[], verdict: Answer["verdict"]): number {
  return answers.filter((answer) => answer.verdict === verdict).length;
}
