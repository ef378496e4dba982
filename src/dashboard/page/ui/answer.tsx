/** The answer to a request where it is shown: its error, a placeholder until it has come, or itself. */
import type { ComponentChildren } from "preact";
import type { Answered } from "../live/http.ts";
import { ErrorText } from "./notices.tsx";
import { Loading, Panel, type PanelProps } from "./parts.tsx";

interface AnswerProps<Data> {
  of: Answered<Data>;
  /** Lines of the placeholder, and what it stands for. */
  loading: readonly [lines: number, what: string];
  children: (answer: Data) => ComponentChildren;
}

export const Answer = <Data,>({ of: { answer, error }, loading, children }: AnswerProps<Data>) =>
  error !== null ? (
    <ErrorText error={error} />
  ) : answer === null ? (
    <Loading lines={loading[0]} what={loading[1]} />
  ) : (
    children(answer)
  );

interface AnswerPanelProps<Data> extends AnswerProps<Data>, Pick<PanelProps, "id" | "title" | "aside"> {
  /** Below the answer, whether it is there or not. */
  after?: ComponentChildren;
}

export const AnswerPanel = <Data,>({ id, title, aside, after, ...answer }: AnswerPanelProps<Data>) => (
  <Panel {...{ id, title, aside }} busy={answer.of.error === null && answer.of.answer === null}>
    <Answer {...answer} />
    {after}
  </Panel>
);

/** An answer that fills several panels; until it has come, one panel with `id` and `title` stands for them. */
export const AnswerPanels = <Data,>(props: AnswerPanelProps<Data>) =>
  props.of.error !== null || props.of.answer === null ? (
    <AnswerPanel {...props} />
  ) : (
    props.children(props.of.answer)
  );
