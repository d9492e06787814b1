/* Broken invariants end the process, in release builds too.
 *
 * For what can only be wrong when our own code is wrong. Input from outside is validated and
 * refused, never asserted. The supervisor restarts what aborted; custody makes that safe.
 */
#ifndef JACKDAW_BASE_ASSERT_H
#define JACKDAW_BASE_ASSERT_H

#define ASSERT(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))

/* Logs the broken condition and aborts. */
_Noreturn void assert_failed(const char *condition, const char *file, int line, const char *func);

#endif
