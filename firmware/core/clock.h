/* 64 bits of ticks from the board's 32. Only from main. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>

/* Now. Has to be called at least once in 2^31 ticks. */
uint64_t clock_now(void);
/* The instant whose low 32 bits are `at`, within 2^31 ticks of now. */
uint64_t clock_extend(uint32_t at);

#endif
