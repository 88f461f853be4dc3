/* Numbers as they travel: little-endian, without padding. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdint.h>

static inline uint8_t *put8(uint8_t *p, uint8_t value)
{
    *p++ = value;
    return p;
}

static inline uint8_t *put16(uint8_t *p, uint16_t value)
{
    *p++ = (uint8_t)value;
    *p++ = (uint8_t)(value >> 8);
    return p;
}

static inline uint8_t *put32(uint8_t *p, uint32_t value)
{
    return put16(put16(p, (uint16_t)value), (uint16_t)(value >> 16));
}

static inline uint8_t *put64(uint8_t *p, uint64_t value)
{
    return put32(put32(p, (uint32_t)value), (uint32_t)(value >> 32));
}

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (uint16_t)p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

#endif
