/* What is wired to the simulated board: wires with a delay, bouncing contacts, robots, voltages. */
#ifndef SIM_WIRING_H
#define SIM_WIRING_H

#include <stdint.h>

#include "sim_avr.h"

/* The pin of an Arduino's name, D2 to D13 and A0 to A5; NULL for another name. */
avr_irq_t *pin_named(avr_t *avr, const char *name);

/* Give a pin that level at that cycle, or at once where it has passed. 0, or -1 where too much is under way. */
int pin_later(avr_t *avr, avr_cycle_count_t at, avr_irq_t *to, uint32_t value);
/* FROM:TO:DELAY[:BOUNCES:GAP], times in us. 0, or -1 for one that cannot be read. */
int wire_add(avr_t *avr, const char *text);
/* FROM:TO:SHORTEST:LONGEST: a robot that raises TO after a random time when FROM rises, and lowers it after
 * SHORTEST when FROM falls. */
int robot_add(avr_t *avr, const char *text, uint64_t seed);
/* FROM:CHANNEL:DELAY:MV: the channel A0 to A5 has so many mV while FROM is high, else none. */
int voltage_add(avr_t *avr, const char *text);
/* PIN:HZ: a square wave, whose edges are spread by a tenth of its period. */
int tone_add(avr_t *avr, const char *text, uint64_t seed);
/* Trace every pin that is wired into a VCD file. 0, or -1. */
int trace_start(avr_t *avr, const char *path);
void trace_stop(void);

#endif
