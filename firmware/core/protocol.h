/* The words of firmware/PROTOCOL.md. Numbers are never reused for something else. */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#define PROTOCOL_VERSION 1
#define FIRMWARE_MAJOR 1
#define FIRMWARE_MINOR 0
#define FIRMWARE_PATCH 0

#define HEADER_BYTES 4 /* version, type, sequence (2) */
#define CRC_BYTES 4
#define MAX_BODY 52
#define MAX_PAYLOAD (HEADER_BYTES + MAX_BODY + CRC_BYTES)
/* COBS adds one byte to as few as these, the delimiter another. */
#define MAX_ENCODED (MAX_PAYLOAD + 2)

enum request {
    REQ_HELLO = 0x01,
    REQ_CLOCK = 0x02,
    REQ_ECHO = 0x03,
    REQ_SET = 0x04,
    REQ_PULSE = 0x05,
    REQ_SCHEDULE = 0x06,
    REQ_HOLD = 0x07,
    REQ_CONFIG = 0x08,
    REQ_ARM = 0x09,
    REQ_ANALOG = 0x0A,
    REQ_SAFE = 0x0B,
    REQ_DEADMAN = 0x0C,
    REQ_STATS = 0x0D,
    REQ_SELFTEST = 0x0E
};

#define ANSWER 0x80 /* added to the type of the request */

enum event_type {
    EVENT_EDGE = 0xC1,
    EVENT_OUTPUT = 0xC2,
    EVENT_BOOT = 0xC3,
    EVENT_SAFE = 0xC4,
    EVENT_ANALOG = 0xC5,
    ERROR_ANSWER = 0xFF
};

enum error_code {
    ERR_VERSION = 1,
    ERR_TYPE = 2,
    ERR_LENGTH = 3,
    ERR_INDEX = 4,
    ERR_VALUE = 5,
    ERR_BUSY = 6,
    ERR_FULL = 7,
    ERR_TIME = 8,
    ERR_TIMEOUT = 9
};

enum safe_cause { SAFE_ASKED = 0, SAFE_HOST_SILENT = 1 };

/* Flags of an edge, beside its level in bit 0. */
#define EDGE_LEVEL 0x01
#define EDGE_INEXACT 0x02 /* stamped by software: the hardware's stamp was overtaken */
#define EDGE_SETTLED 0x04 /* the last bounce of a contact, told when the hold-off was over */

/* Why an output changed, in EVENT_OUTPUT. */
enum output_cause { CAUSE_SCHEDULE = 0, CAUSE_PULSE_END = 1, CAUSE_HOLD_LAPSED = 2 };

#endif
