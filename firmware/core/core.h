/* The bench board's core: everything but the hardware. See firmware/PROTOCOL.md. */
#ifndef BENCH_CORE_H
#define BENCH_CORE_H

#include <stdint.h>

/* Called by the board: once at the start, and again and again from main. */
void core_start(void);
/* One turn of work. Whether there is more to do at once; if not, the board may sleep until an interrupt. */
uint8_t core_turn(void);
/* Whether an interrupt has left work; asked with interrupts off, just before sleeping. */
uint8_t core_pending(void);

/* Called from interrupts. */
void core_received(uint8_t byte);
void core_overrun(void);
void core_edge(uint8_t input, uint8_t level, uint32_t at, uint8_t flags);
void core_analog(uint16_t value, uint32_t at);
void core_alarm(void);

#endif
