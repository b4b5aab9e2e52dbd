/** Holds back what arrives before a server is ready, and lets it through in order. */

/** A gate that is closed at first. */
export interface Gate {
  /** Runs `action` at once where the gate is open, else when it opens. */
  pass(action: () => void): void;
  open(): void;
}

/** Makes a closed gate. */
export function createGate(): Gate {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  return {
    pass: (action) => {
      if (isOpen) action();
      else waiting.push(action);
    },
    open: () => {
      isOpen = true;
      for (const action of waiting.splice(0)) action();
    },
  };
}
