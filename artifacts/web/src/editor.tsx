/** A text editor for YAML and JSON. It lives in a shadow tree, where its styles need no exception from the policy of the page. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Annotation, EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  id: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
}

/** A change that the page makes, not the reader. */
const FROM_OUTSIDE = Annotation.define<true>();

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--code-key)" },
  { tag: [tags.string, tags.content], color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--code-value)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--code-comment)" },
  { tag: [tags.separator, tags.punctuation, tags.bracket], color: "var(--code-mark)" },
]);

const theme = EditorView.theme({
  "&": { backgroundColor: "var(--field)", color: "var(--ink)", fontSize: "0.8125rem", height: "100%" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)", padding: "0.6rem 0" },
  ".cm-line": { padding: "0 0.75rem 0 0.5rem" },
  ".cm-gutters": { backgroundColor: "var(--field)", color: "var(--faint)", border: "none", paddingLeft: "0.35rem" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)" },
  ".cm-content ::selection": { backgroundColor: "var(--selection)" },
});

export function Editor({ id, label, value, onChange }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const changed = useRef(onChange);
  changed.current = onChange;
  // What was typed comes back as the value, and later than the next key: those texts are not for the editor.
  const told = useRef<string[]>([]);

  useEffect(() => {
    if (!host.current) return;
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open", delegatesFocus: true });
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: value,
        extensions: [
          lineNumbers(),
          history(),
          indentOnInput(),
          indentUnit.of("  "),
          bracketMatching(),
          yaml(),
          syntaxHighlighting(colours),
          theme,
          // Tab moves on, as everywhere on a page.
          keymap.of([...defaultKeymap, ...historyKeymap]),
          EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged || update.transactions.some((transaction) => transaction.annotation(FROM_OUTSIDE))) return;
            const text = update.state.doc.toString();
            told.current.push(text);
            changed.current(text);
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, [label]);

  // A text that comes from elsewhere: a sample, a link, an import.
  useEffect(() => {
    const editor = view.current;
    const at = told.current.indexOf(value);
    told.current.splice(0, at + 1);
    if (!editor || at >= 0 || editor.state.doc.toString() === value) return;
    told.current = [];
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value }, annotations: FROM_OUTSIDE.of(true) });
  }, [value]);

  return <div class="editor" id={id} ref={host} />;
}
