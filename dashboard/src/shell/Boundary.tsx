/** A page that fails says so, and the others stay usable. */

import { Component, type ReactNode } from "react";
import { asFailure } from "../data/errors";
import { ErrorNote } from "../parts/Notes";

interface Props {
  /** A boundary that failed begins anew when this changes. */
  of: string;
  children: ReactNode;
}

export class Boundary extends Component<Props, { error: unknown; of: string }> {
  override state = { error: null as unknown, of: this.props.of };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  static getDerivedStateFromProps(props: Props, state: { of: string }) {
    return props.of === state.of ? null : { error: null, of: props.of };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <ErrorNote
        error={asFailure(this.state.error)}
        again={() => this.setState({ error: null, of: this.props.of })}
      />
    );
  }
}
