#include "frame.h"

#ifdef __AVR__
#include <avr/pgmspace.h>
#define TABLE PROGMEM
#define ENTRY(i) pgm_read_dword(&table[i])
#else
#define TABLE
#define ENTRY(i) table[i]
#endif

#include "crc_table.h"

static uint32_t crc_take(uint32_t crc, uint8_t byte)
{
    return ENTRY((uint8_t)crc ^ byte) ^ (crc >> 8);
}

/* What the register holds after data and its own CRC, whatever the data. */
#define RESIDUE 0xDEBB20E3UL

void decoder_reset(struct decoder *decoder)
{
    decoder->length = decoder->left = decoder->zero = decoder->state = 0;
    decoder->crc = 0xFFFFFFFFUL;
}

static void decoder_append(struct decoder *decoder, uint8_t byte)
{
    if (decoder->length == MAX_PAYLOAD) {
        decoder->state = 2;
        return;
    }
    decoder->data[decoder->length++] = byte;
    decoder->crc = crc_take(decoder->crc, byte);
}

enum decoded decoder_take(struct decoder *decoder, uint8_t byte)
{
    if (byte == 0) {
        /* Whole only at the end of a block; the zero that the last block stands for is not of the data. */
        uint8_t whole = decoder->state == 0 && decoder->length >= HEADER_BYTES + CRC_BYTES &&
                        decoder->crc == RESIDUE;
        uint8_t empty = decoder->state == 0 && decoder->length == 0 && !decoder->zero;
        uint8_t length = decoder->length;

        decoder_reset(decoder);
        if (empty)
            return DECODED_NOTHING;
        if (!whole)
            return DECODED_DAMAGED;
        decoder->size = length - CRC_BYTES;
        return DECODED_FRAME;
    }
    if (decoder->state == 0) {
        if (decoder->zero)
            decoder_append(decoder, 0);
        if (decoder->state == 2)
            return DECODED_NOTHING;
        decoder->left = byte - 1;
        decoder->zero = byte != 0xFF;
        decoder->state = decoder->left ? 1 : 0;
    } else if (decoder->state == 1) {
        decoder_append(decoder, byte);
        if (--decoder->left == 0 && decoder->state == 1)
            decoder->state = 0;
    }
    return DECODED_NOTHING;
}

uint8_t frame_encode(uint8_t *payload, uint8_t length, uint8_t *out)
{
    uint32_t crc = 0xFFFFFFFFUL;
    uint8_t code_at = 0, put = 1, i;

    for (i = 0; i < length; i++)
        crc = crc_take(crc, payload[i]);
    crc = ~crc;
    for (i = 0; i < CRC_BYTES; i++) {
        payload[length++] = (uint8_t)crc;
        crc >>= 8;
    }
    for (i = 0; i < length; i++) {
        if (payload[i]) {
            out[put++] = payload[i];
        } else {
            out[code_at] = put - code_at;
            code_at = put++;
        }
    }
    out[code_at] = put - code_at;
    out[put++] = 0;
    return put;
}
