/** No answer in time. */
class SlowAnswer extends Error {
  override name = 'SlowAnswer'
}

/**
 * The answer, if it comes in time. In a process that was busy for a while, timers run before sockets are written and
 * read, and an answer that is already there would lose against the timer. Therefore the time passes in two halves, and
 * sockets are read once more before the wait is given up. @throws SlowAnswer, or the error of the answer
 */
export const answerWithin = <Value>(answer: Promise<Value>, ms: number): Promise<Value> =>
  new Promise((resolve, reject) => {
    let isHalf = false
    const timer = setTimeout(() => {
      if (isHalf) return void setImmediate(() => reject(new SlowAnswer(`no answer within ${ms} ms`)))
      isHalf = true
      timer.refresh()
    }, ms / 2)
    void answer.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
