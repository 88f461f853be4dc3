/* Outputs: levels, pulses, schedules, holds, and what is safe. */
#ifndef BENCH_OUTPUTS_H
#define BENCH_OUTPUTS_H

#include <stdint.h>

#define OUTPUT_SLOTS 8 /* changes that may be pending at once */

void outputs_start(void);
/* All to their safe levels, nothing pending; when that was. */
uint32_t outputs_safe(void);
uint32_t outputs_toggle(uint8_t output);

/* Each returns an error_code or 0. `at`: when the output had the level. Widths and holds in ticks. */
uint8_t outputs_set(uint8_t output, uint8_t level, uint32_t *at);
uint8_t outputs_pulse(uint8_t output, uint8_t level, uint32_t width, uint16_t sequence, uint32_t *at);
uint8_t outputs_hold(uint8_t output, uint8_t level, uint32_t hold, uint16_t sequence, uint32_t *at);
uint8_t outputs_schedule(uint8_t output, uint8_t level, uint64_t at, uint32_t width, uint16_t sequence);
uint8_t outputs_config(uint8_t output, uint8_t safe_level);

#endif
