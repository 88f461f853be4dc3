#include "core.h"

#include <string.h>

#include "board.h"
#include "clock.h"
#include "events.h"
#include "frame.h"
#include "outputs.h"
#include "protocol.h"
#include "wire.h"

/* A power of two; indices run freely. */
#define RX_RING 128
#define STAMPS 8
#define DEADMAN_DEFAULT_MS 1000

static volatile uint8_t rx[RX_RING];
static volatile uint8_t rx_head, rx_tail;
static volatile uint32_t stamps[STAMPS]; /* when each delimiter arrived */
static volatile uint8_t stamp_head;
static uint8_t stamp_tail;
static uint32_t received; /* when the delimiter of the frame at hand arrived, if */
static uint8_t stamped;   /* that is known */
static volatile uint16_t rx_dropped, rx_overruns;

static struct decoder decoder;
static uint8_t out[MAX_PAYLOAD], encoded[MAX_ENCODED];
static uint16_t event_number;
static uint32_t frames_taken, frames_damaged, frames_refused, safe_trips;

static uint32_t heard_at; /* the host */
static uint32_t deadman_ticks;
static uint8_t host_heard;

static struct {
    uint8_t active, input;
    uint16_t sequence;
    uint32_t since, timeout;
} selftest;

/* -- from interrupts ---------------------------------------------------------------------------------------- */

void core_received(uint8_t byte)
{
    uint8_t head = rx_head;

    if ((uint8_t)(head - rx_tail) == RX_RING) {
        rx_dropped++;
        return;
    }
    if (byte == 0) {
        stamps[stamp_head & (STAMPS - 1)] = board_ticks();
        stamp_head++;
    }
    rx[head & (RX_RING - 1)] = byte;
    rx_head = head + 1;
}

void core_overrun(void)
{
    rx_overruns++;
}

/* -- to the host -------------------------------------------------------------------------------------------- */

static uint8_t *begin(uint8_t type, uint16_t sequence)
{
    out[0] = PROTOCOL_VERSION;
    out[1] = type;
    return put16(out + 2, sequence);
}

/* Only when board_send_room() >= MAX_ENCODED. */
static void finish(const uint8_t *end)
{
    board_send(encoded, frame_encode(out, (uint8_t)(end - out), encoded));
}

static void refuse(uint8_t type, uint16_t sequence, uint8_t code)
{
    uint8_t *p = begin(ERROR_ANSWER, sequence);

    frames_refused++;
    *p++ = type;
    *p++ = code;
    finish(p);
}

static uint8_t *put_hello(uint8_t *p)
{
    const char *name = board_name;

    *p++ = PROTOCOL_VERSION;
    *p++ = FIRMWARE_MAJOR;
    *p++ = FIRMWARE_MINOR;
    *p++ = FIRMWARE_PATCH;
    *p++ = board_kind;
    *p++ = BOARD_OUTPUTS;
    *p++ = BOARD_INPUTS;
    *p++ = BOARD_ANALOGS;
    *p++ = board_exact_inputs;
    *p++ = MAX_PAYLOAD;
    *p++ = RX_RING;
    *p++ = OUTPUT_SLOTS;
    *p++ = board_reset_cause();
    p = put32(p, board_tick_hz);
    while (*name)
        *p++ = (uint8_t)*name++;
    return p;
}

/* -- the host's silence ------------------------------------------------------------------------------------- */

static void go_safe(uint8_t cause)
{
    uint32_t at = outputs_safe();

    selftest.active = 0;
    if (cause != SAFE_ASKED) {
        safe_trips++;
        events_push(EVENT_SAFE, cause, 0, 0, at);
    }
}

static void set_deadman(uint16_t ms)
{
    deadman_ticks = ms * (board_tick_hz / 1000);
}

static void watch_host(uint32_t now)
{
    if (host_heard && now - heard_at > deadman_ticks) {
        host_heard = 0; /* once, until the host is heard again */
        go_safe(SAFE_HOST_SILENT);
    }
}

/* -- requests ----------------------------------------------------------------------------------------------- */

static void answer_clock(uint16_t sequence)
{
    uint8_t *p = begin(REQ_CLOCK | ANSWER, sequence);
    uint64_t taken = clock_extend(received);
    /* The answer leaves at an instant that is chosen ahead and waited for: what it takes to make the frame is
     * no part of the way back. */
    uint64_t leaves = clock_now() + board_compose_ticks;
    uint8_t length;

    p = put64(put64(p, taken), leaves);
    length = frame_encode(out, (uint8_t)(p - out), encoded);
    while ((int32_t)(board_ticks() - (uint32_t)leaves) < 0)
        ;
    board_send(encoded, length);
}

static void answer_stats(uint16_t sequence)
{
    uint8_t *p = begin(REQ_STATS | ANSWER, sequence);
    uint8_t i, state = board_lock();
    uint16_t dropped = rx_dropped, overruns = rx_overruns;

    board_unlock(state);
    p = put64(p, clock_now());
    p = put32(put32(put32(p, frames_taken), frames_damaged), frames_refused);
    p = put16(put16(p, dropped), overruns);
    p = put32(p, safe_trips);
    p = put16(p, events_dropped());
    for (i = 0; i < BOARD_INPUTS; i++)
        p = events_put_counts(p, i);
    finish(p);
}

static uint8_t start_selftest(const uint8_t *body, uint16_t sequence)
{
    uint8_t state;

    if (body[0] >= BOARD_OUTPUTS || body[1] >= BOARD_INPUTS)
        return ERR_INDEX;
    if (selftest.active)
        return ERR_BUSY;
    events_arm(body[1], 3, 0, 0);
    selftest.input = body[1];
    selftest.sequence = sequence;
    selftest.timeout = get32(body + 2);
    state = board_lock();
    selftest.active = 1;
    selftest.since = outputs_toggle(body[0]);
    board_unlock(state);
    return 0;
}

/* The answer to a request that changes an output: when it did. */
static uint8_t answer_time(uint8_t type, uint16_t sequence, uint8_t error, uint32_t at)
{
    if (!error)
        finish(put64(begin(type | ANSWER, sequence), clock_extend(at)));
    return error;
}

static const uint8_t shortest[] = {0, 0, 16, 0, 2, 6, 14, 6, 2, 7, 6, 0, 2, 0, 6};

static uint8_t serve(uint8_t type, uint16_t sequence, const uint8_t *body, uint8_t length)
{
    uint32_t at = 0;
    uint8_t error;

    if (type == 0 || type >= sizeof shortest)
        return ERR_TYPE;
    if (length < shortest[type])
        return ERR_LENGTH;
    switch (type) {
    case REQ_HELLO:
        finish(put_hello(begin(REQ_HELLO | ANSWER, sequence)));
        return 0;
    case REQ_CLOCK:
        if (!stamped)
            return ERR_BUSY;
        answer_clock(sequence);
        return 0;
    case REQ_ECHO: {
        uint8_t *p = begin(REQ_ECHO | ANSWER, sequence);
        memcpy(p, body, length);
        finish(p + length);
        return 0;
    }
    case REQ_SET:
        error = outputs_set(body[0], body[1], &at);
        return answer_time(type, sequence, error, at);
    case REQ_PULSE:
        error = outputs_pulse(body[0], body[1], get32(body + 2), sequence, &at);
        return answer_time(type, sequence, error, at);
    case REQ_HOLD:
        error = outputs_hold(body[0], body[1], get32(body + 2), sequence, &at);
        return answer_time(type, sequence, error, at);
    case REQ_SAFE:
        at = board_ticks();
        go_safe(SAFE_ASKED);
        return answer_time(type, sequence, 0, at);
    case REQ_SCHEDULE:
        error = outputs_schedule(body[0], body[1], get64(body + 2), get32(body + 10), sequence);
        break;
    case REQ_CONFIG:
        error = outputs_config(body[0], body[1]);
        break;
    case REQ_ARM:
        if (body[0] >= BOARD_INPUTS)
            return ERR_INDEX;
        at = events_arm(body[0], body[1], body[2], get32(body + 3));
        finish(put64(put8(begin(type | ANSWER, sequence), events_level(body[0])), clock_extend(at)));
        return 0;
    case REQ_ANALOG:
        error = events_analog(body[0], body[1], get16(body + 2), get16(body + 4));
        break;
    case REQ_DEADMAN:
        if (get16(body) == 0)
            return ERR_VALUE;
        set_deadman(get16(body));
        finish(put16(begin(type | ANSWER, sequence), get16(body)));
        return 0;
    case REQ_STATS:
        answer_stats(sequence);
        return 0;
    default:
        return start_selftest(body, sequence); /* answered when the edge is there, or is not */
    }
    if (!error)
        finish(begin(type | ANSWER, sequence));
    return error;
}

static void take_frame(void)
{
    const uint8_t *frame = decoder.data;
    uint8_t type = frame[1], error;
    uint16_t sequence = get16(frame + 2);

    frames_taken++;
    heard_at = board_ticks();
    host_heard = 1;
    /* Whoever speaks another version gets to know that, and may ask who is here. */
    if (frame[0] != PROTOCOL_VERSION && type != REQ_HELLO)
        error = ERR_VERSION;
    else
        error = serve(type, sequence, frame + HEADER_BYTES, decoder.size - HEADER_BYTES);
    if (error)
        refuse(type, sequence, error);
}

/* Of more delimiters than there are places, as in noise, the older stamps are overwritten. */
static void pop_stamp(void)
{
    uint8_t state = board_lock();

    received = stamps[stamp_tail & (STAMPS - 1)];
    stamped = (uint8_t)(stamp_head - stamp_tail) <= STAMPS;
    stamp_tail++;
    board_unlock(state);
}

/* Up to the end of one frame. */
static void take_bytes(void)
{
    while (rx_tail != rx_head) {
        uint8_t byte = rx[rx_tail & (RX_RING - 1)];
        enum decoded decoded;

        rx_tail++;
        if (byte == 0)
            pop_stamp();
        decoded = decoder_take(&decoder, byte);
        if (decoded == DECODED_DAMAGED)
            frames_damaged++;
        if (decoded == DECODED_FRAME) {
            take_frame();
            return;
        }
    }
}

/* -- events ------------------------------------------------------------------------------------------------- */

static void tell(const struct event *event)
{
    uint8_t *p;

    if (event->kind == EVENT_EDGE && selftest.active && event->index == selftest.input &&
        (int32_t)(event->at - selftest.since) >= 0) {
        selftest.active = 0;
        finish(put32(begin(REQ_SELFTEST | ANSWER, selftest.sequence), event->at - selftest.since));
        return;
    }
    p = begin(event->kind, event_number++);
    *p++ = event->index;
    *p++ = event->flags;
    p = put64(p, clock_extend(event->at));
    if (event->kind != EVENT_SAFE)
        p = put16(p, event->extra);
    if (event->kind == EVENT_EDGE || event->kind == EVENT_ANALOG)
        p = put16(p, events_dropped());
    finish(p);
}

static void watch_selftest(void)
{
    if (selftest.active && board_ticks() - selftest.since > selftest.timeout &&
        board_send_room() >= MAX_ENCODED) {
        selftest.active = 0;
        refuse(REQ_SELFTEST, selftest.sequence, ERR_TIMEOUT);
    }
}

/* -- turns -------------------------------------------------------------------------------------------------- */

void core_start(void)
{
    decoder_reset(&decoder);
    set_deadman(DEADMAN_DEFAULT_MS);
    outputs_start();
    events_start();
    finish(put_hello(begin(EVENT_BOOT, event_number++)));
}

uint8_t core_turn(void)
{
    static uint8_t rotation, postponed;
    struct event event;

    if (board_send_room() >= MAX_ENCODED) {
        /* Of what there is room for on the line, three parts in four for events: one request may make two. */
        if ((rx_head == rx_tail || rotation++ & 3) && events_pop(&event)) {
            tell(&event);
        } else if (rx_head != rx_tail) {
            take_bytes();
            /* The rest can wait for some bytes, but not for as long as noise lasts. */
            if (++postponed < 16)
                return core_pending();
        }
    }
    postponed = 0;
    /* At least once in 1000 s, so that no wrap of the 32 bits is lost. */
    watch_host((uint32_t)clock_now());
    events_settle();
    watch_selftest();
    return core_pending();
}

uint8_t core_pending(void)
{
    return board_send_room() >= MAX_ENCODED && (rx_head != rx_tail || events_waiting());
}
