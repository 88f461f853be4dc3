/* Pins that other programs have wires to: simulated robots set inputs of the board and see its outputs. */
#ifndef SIM_PLUGS_H
#define SIM_PLUGS_H

#include <stdint.h>

#include "sim_avr.h"

/* A datagram socket at that path. What comes: "set PIN LEVEL" and "watch PIN"; what goes to who watches: "PIN LEVEL",
 * at once and at each change. The descriptor to be polled, or -1. */
int plugs_open(avr_t *avr, const char *path);
/* Take what has come; an input has its new level no earlier than at that cycle. */
void plugs_take(avr_cycle_count_t due);
void plugs_close(void);

#endif
