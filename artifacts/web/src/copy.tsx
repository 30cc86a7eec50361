import { useEffect, useState } from "preact/hooks";
import { useText } from "./text.tsx";

interface Props {
  id: string;
  label: string;
  text: () => string;
  isPrimary?: boolean;
}

/** Copies a text and says so for a moment. */
export function CopyButton({ id, label, text, isPrimary }: Props) {
  const words = useText();
  const [outcome, setOutcome] = useState<"copied" | "failed" | null>(null);

  useEffect(() => {
    const timer = outcome && setTimeout(() => setOutcome(null), 2000);
    return () => clearTimeout(timer ?? undefined);
  }, [outcome]);

  const copy = () =>
    navigator.clipboard.writeText(text()).then(
      () => setOutcome("copied"),
      () => setOutcome("failed"),
    );
  return (
    <button type="button" id={id} class={isPrimary ? "primary" : undefined} onClick={copy}>
      <span aria-live="polite">{outcome ? words[outcome] : label}</span>
    </button>
  );
}
