/** What the policy changed, three lines around it. */
import { structuredPatch } from "diff";
import { useText } from "../text.tsx";

interface Props {
  before: string;
  after: string;
}

export function Diff({ before, after }: Props) {
  const text = useText();
  const { hunks } = structuredPatch("", "", before, after, "", "", { context: 3 });
  return (
    <pre class="diff" tabIndex={0} aria-label={text.try.change}>
      {hunks.map((hunk, at) => (
        <>
          {at > 0 && <span class="gap">⋯</span>}
          {hunk.lines.filter((line) => !line.startsWith("\\")).map((line) => <Line line={line} />)}
        </>
      ))}
    </pre>
  );
}

function Line({ line }: { line: string }) {
  const text = line.slice(1);
  switch (line[0]) {
    case "+":
      return <ins><span class="mark">+</span>{text}</ins>;
    case "-":
      return <del><span class="mark">−</span>{text}</del>;
    default:
      return <span class="same"><span class="mark"> </span>{text}</span>;
  }
}
