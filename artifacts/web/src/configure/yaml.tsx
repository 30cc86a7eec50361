/** YAML to look at, in the editor's colours. */
import { yamlLanguage } from "@codemirror/lang-yaml";
import { classHighlighter, highlightCode } from "@lezer/highlight";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";

interface Props {
  text: string;
  label: string;
}

export function Yaml({ text, label }: Props) {
  const parts = useMemo(() => {
    const parts: ComponentChildren[] = [];
    highlightCode(
      text,
      yamlLanguage.parser.parse(text),
      classHighlighter,
      (code, classes) => parts.push(classes ? <span class={classes}>{code}</span> : code),
      () => parts.push("\n"),
    );
    return parts;
  }, [text]);
  return <pre class="yaml" tabIndex={0} aria-label={label}><code>{parts}</code></pre>;
}
