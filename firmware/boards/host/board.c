/* The core on a computer, for tests: bytes on standard input, bytes on standard output. Its clock moves with
 * them; output i is wired to input i. With an argument, a test of its own.
 *
 *   core_host            take standard input as if it came over the line
 *   core_host flips      for each frame of standard input (delimited), every flip of one and of two bits:
 *                        prints how many were tried and how many were taken for whole frames
 */
#include "board.h"

#include <stdio.h>
#include <string.h>

#include "core.h"
#include "frame.h"

const char board_name[] = "host build";
const uint8_t board_kind = 0;
const uint32_t board_tick_hz = 2000000;
const uint8_t board_exact_inputs = 0x01;
const uint16_t board_compose_ticks = 500;

static uint32_t ticks, alarm_at;
static uint8_t alarm_on, levels[BOARD_OUTPUTS];

uint32_t board_ticks(void)
{
    return ticks++;
}

uint8_t board_reset_cause(void)
{
    return 0;
}

uint8_t board_lock(void)
{
    return 0;
}

void board_unlock(uint8_t state)
{
    (void)state;
}

uint8_t board_send_room(void)
{
    return 255;
}

void board_send(const uint8_t *data, uint8_t length)
{
    fwrite(data, 1, length, stdout);
}

void board_output(uint8_t output, uint8_t level)
{
    uint8_t changed = levels[output] != level;

    levels[output] = level;
    if (changed && output < BOARD_INPUTS)
        core_edge(output, level, ticks, 0);
}

uint8_t board_input(uint8_t input)
{
    return levels[input];
}

void board_arm(uint8_t input, uint8_t on, uint8_t pull_up)
{
    (void)input;
    (void)on;
    (void)pull_up;
}

void board_analog(uint8_t channel)
{
    if (channel != 0xFF) {
        core_analog(0, ticks);
        core_analog(1023, ticks);
    }
}

void board_alarm(uint32_t at)
{
    alarm_at = at;
    alarm_on = 1;
}

static void turns(void)
{
    do {
        if (alarm_on && (int32_t)(alarm_at - ticks) <= 0) {
            alarm_on = 0;
            core_alarm();
        }
    } while (core_turn());
}

static int serve(void)
{
    int byte;

    core_start();
    while ((byte = getchar()) != EOF) {
        ticks += 20;
        core_received((uint8_t)byte);
        turns();
    }
    /* Let what is pending come to its end: the longest schedule, then the host's silence. */
    for (int i = 0; i < 3000; i++) {
        ticks += 1000000;
        turns();
    }
    return 0;
}

static int taken(const uint8_t *data, size_t length)
{
    struct decoder decoder;
    int found = 0;

    decoder_reset(&decoder);
    for (size_t i = 0; i < length; i++)
        found |= decoder_take(&decoder, data[i]) == DECODED_FRAME;
    /* A flip may make the delimiter something else; the next frame's brings it to an end. */
    return found | (decoder_take(&decoder, 0) == DECODED_FRAME);
}

static int flips(void)
{
    static uint8_t all[65536];
    size_t size = fread(all, 1, sizeof all, stdin), start = 0;
    unsigned long tried = 0, wrong = 0, whole = 0;

    for (size_t end = 0; end < size; end++) {
        uint8_t *frame = all + start;
        size_t length = end + 1 - start, bits = length * 8;

        if (all[end])
            continue;
        whole += (unsigned long)taken(frame, length);
        for (size_t one = 0; one < bits; one++) {
            frame[one / 8] ^= (uint8_t)(1 << one % 8);
            tried++;
            wrong += (unsigned long)taken(frame, length);
            for (size_t two = one + 1; two < bits; two++) {
                frame[two / 8] ^= (uint8_t)(1 << two % 8);
                tried++;
                wrong += (unsigned long)taken(frame, length);
                frame[two / 8] ^= (uint8_t)(1 << two % 8);
            }
            frame[one / 8] ^= (uint8_t)(1 << one % 8);
        }
        start = end + 1;
    }
    printf("whole %lu tried %lu taken %lu\n", whole, tried, wrong);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "flips") == 0)
        return flips();
    return serve();
}
