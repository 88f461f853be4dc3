/* What a board has to bring: all that the core knows of the hardware. boards/NAME/ implements it.
 *
 * Interrupts of the board call core_received(), core_edge(), core_analog() and core_alarm() of core.h; they
 * must not interrupt each other. */
#ifndef BENCH_BOARD_H
#define BENCH_BOARD_H

#include <stdint.h>

#define BOARD_OUTPUTS 6
#define BOARD_INPUTS 3
#define BOARD_ANALOGS 6

extern const char board_name[];
extern const uint8_t board_kind;
extern const uint32_t board_tick_hz;
/* Bit i: input i is stamped by hardware, whatever the processor is at. */
extern const uint8_t board_exact_inputs;
/* Longest time that making a clock answer takes, in ticks. */
extern const uint16_t board_compose_ticks;

/* The low 32 bits of a counter that never stops; from interrupts and from main. */
uint32_t board_ticks(void);
uint8_t board_reset_cause(void);

/* Interrupts off, and as they were. */
uint8_t board_lock(void);
void board_unlock(uint8_t state);

/* Room for so many bytes to the host; write only as many. */
uint8_t board_send_room(void);
void board_send(const uint8_t *data, uint8_t length);

void board_output(uint8_t output, uint8_t level);
uint8_t board_input(uint8_t input);
void board_arm(uint8_t input, uint8_t on, uint8_t pull_up);
/* Convert this channel again and again, calling core_analog(); channel 0xFF: stop. */
void board_analog(uint8_t channel);

/* Call core_alarm() from an interrupt when the counter reaches the low 16 bits of `at`, which is at least 8
 * ticks ahead; calling it more often does no harm. Called with interrupts off. */
void board_alarm(uint32_t at);

#endif
