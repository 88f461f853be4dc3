/* Frames: COBS, CRC-32, and nothing about what they mean. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdint.h>

#include "protocol.h"

struct decoder {
    uint8_t data[MAX_PAYLOAD];
    uint8_t length; /* of what has arrived of the frame that is under way */
    uint8_t size;   /* of the last whole frame: version, type, sequence and body */
    uint8_t left;  /* bytes of the block that are still to come */
    uint8_t zero;  /* the block stands for a zero at its end */
    uint8_t state; /* 0: at a block's code, 1: inside a block, 2: damaged, waiting for the delimiter */
    uint32_t crc;
};

enum decoded { DECODED_NOTHING, DECODED_FRAME, DECODED_DAMAGED };

void decoder_reset(struct decoder *decoder);
/* Take one byte. DECODED_FRAME: data[0 .. size-1] is a frame whose CRC is proven, until the
 * next byte is taken. */
enum decoded decoder_take(struct decoder *decoder, uint8_t byte);

/* Append the CRC to payload (which has room for it), encode it with the delimiter into out, return how long
 * that is: length + CRC_BYTES + 2. */
uint8_t frame_encode(uint8_t *payload, uint8_t length, uint8_t *out);

#endif
