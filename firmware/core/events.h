/* What happened: a ring that interrupts fill and main empties, and the inputs that fill it. */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include <stdint.h>

struct event {
    uint32_t at;
    uint16_t extra; /* number of an edge, sequence of an output's command, reading of an analogue channel */
    uint8_t kind, index, flags;
};

void events_start(void);
/* From interrupts, and from main: it locks by itself. What does not fit is counted. */
void events_push(uint8_t kind, uint8_t index, uint8_t flags, uint16_t extra, uint32_t at);
uint8_t events_pop(struct event *event);
uint8_t events_waiting(void);
/* How many were dropped since the start, modulo 2^16. */
uint16_t events_dropped(void);

/* Report rising (1) and falling (2) edges of an input; after each, its bounces are left out for `debounce`
 * ticks. 0: neither. Returns when that began, with the level that is then taken for the last one reported. */
uint32_t events_arm(uint8_t input, uint8_t edges, uint8_t pull_up, uint32_t debounce);
uint8_t events_level(uint8_t input);
/* Report when the channel's reading rises to `high` and falls to `low`. Returns an error_code or 0. */
uint8_t events_analog(uint8_t channel, uint8_t on, uint16_t low, uint16_t high);
/* Tell the last bounces of contacts whose hold-off is over. */
void events_settle(void);
/* Edges reported, edges overtaken, bounces left out: 16 bits each. */
uint8_t *events_put_counts(uint8_t *p, uint8_t input);

#endif
