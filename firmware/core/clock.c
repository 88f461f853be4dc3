#include "clock.h"

#include "board.h"

static uint32_t last, wraps;

uint64_t clock_now(void)
{
    uint32_t now = board_ticks();

    if (now < last)
        wraps++;
    last = now;
    return (uint64_t)wraps << 32 | now;
}

uint64_t clock_extend(uint32_t at)
{
    uint64_t now = clock_now();

    return now + (uint64_t)(int64_t)(int32_t)(at - (uint32_t)now);
}
