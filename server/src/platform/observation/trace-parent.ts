let read = (): string | undefined => undefined

/** The trace that the code runs for, in the form of W3C Trace Context; undefined without tracing. */
export const currentTraceParent = (): string | undefined => read()

/** Says from now on which trace the code runs for. @returns a function that ends that */
export function provideTraceParent(provided: () => string | undefined): () => void {
  const before = read
  read = provided
  return () => {
    read = before
  }
}
