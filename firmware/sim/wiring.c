#include "wiring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avr_adc.h"
#include "avr_ioport.h"
#include "sim_cycle_timers.h"
#include "sim_vcd_file.h"

#define MAX_LINKS 16
#define MAX_PENDING 4096
#define TRACE_FLUSH_US 5000

enum kind { WIRE, ROBOT, VOLTAGE };

static struct link {
    enum kind kind;
    avr_t *avr;
    avr_irq_t *from, *to;
    avr_cycle_count_t shortest, longest, gap;
    unsigned bounces, millivolts;
    uint64_t random;
    int level;
} links[MAX_LINKS];
static unsigned link_count;

static struct pending {
    avr_cycle_count_t at;
    avr_irq_t *to;
    uint32_t value;
} pending[MAX_PENDING]; /* in order of time */
static unsigned pending_count;

static avr_vcd_t trace;
static int tracing;
static struct {
    avr_irq_t *irq;
    char name[8];
} traced[MAX_LINKS * 2];
static unsigned traced_count;

avr_irq_t *pin_named(avr_t *avr, const char *name)
{
    char *end;
    long number = strtol(name + 1, &end, 10);
    char port = name[0] == 'A' ? 'C' : number < 8 ? 'D' : 'B';

    if (end == name + 1 || *end || number < 0)
        return NULL;
    if ((name[0] == 'A' && number > 5) || (name[0] == 'D' && (number < 2 || number > 13)))
        return NULL;
    if (name[0] != 'A' && name[0] != 'D')
        return NULL;
    return avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(port), (int)(port == 'B' ? number - 8 : number));
}

static avr_cycle_count_t deliver(avr_t *avr, avr_cycle_count_t when, void *unused)
{
    unsigned done = 0;

    (void)when;
    (void)unused;
    while (done < pending_count && pending[done].at <= avr->cycle) {
        avr_raise_irq(pending[done].to, pending[done].value);
        done++;
    }
    pending_count -= done;
    memmove(pending, pending + done, pending_count * sizeof *pending);
    return pending_count ? pending[0].at : 0;
}

int pin_later(avr_t *avr, avr_cycle_count_t at, avr_irq_t *to, uint32_t value)
{
    unsigned place = pending_count;

    if (pending_count == MAX_PENDING)
        return -1;
    while (place && pending[place - 1].at > at)
        place--;
    memmove(pending + place + 1, pending + place, (pending_count - place) * sizeof *pending);
    pending[place] = (struct pending){at, to, value};
    pending_count++;
    avr_cycle_timer_register(avr, pending[0].at > avr->cycle ? pending[0].at - avr->cycle : 1, deliver, NULL);
    return 0;
}

static void later(avr_t *avr, avr_cycle_count_t delay, avr_irq_t *to, uint32_t value)
{
    if (pin_later(avr, avr->cycle + delay, to, value))
        fprintf(stderr, "too many edges are under way on the wires; one was lost\n");
}

/* xorshift64*: the same numbers everywhere. */
static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1DULL) >> 11) / 9007199254740992.0;
}

static void driven(avr_irq_t *irq, uint32_t value, void *param)
{
    struct link *link = param;
    avr_cycle_count_t delay = link->shortest;
    unsigned i;

    (void)irq;
    if ((int)value == link->level)
        return;
    link->level = (int)value;
    if (link->kind == ROBOT && value)
        delay += (avr_cycle_count_t)(uniform(&link->random) * (double)(link->longest - link->shortest));
    if (link->kind == VOLTAGE) {
        later(link->avr, delay, link->to, value ? link->millivolts : 0);
        return;
    }
    for (i = 0; i <= 2 * link->bounces; i++)
        later(link->avr, delay + i * link->gap, link->to, value ^ (i & 1));
}

static int add(avr_t *avr, enum kind kind, const char *text, const char *form, uint64_t seed)
{
    struct link *link = &links[link_count];
    char from[8], to[8];
    double a = 0, b = 0, c = 0;
    int found = sscanf(text, form, from, to, &a, &b, &c);

    if (link_count == MAX_LINKS || found < 3 || a < 0 || b < 0 || c < 0)
        return -1;
    link->from = pin_named(avr, from);
    link->to = kind == VOLTAGE && to[0] == 'A' && pin_named(avr, to)
                   ? avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0 + to[1] - '0')
                   : kind == VOLTAGE ? NULL : pin_named(avr, to);
    if (!link->from || !link->to)
        return -1;
    link->kind = kind;
    link->avr = avr;
    link->shortest = link->longest = (avr_cycle_count_t)(a * 16);
    link->level = 0;
    if (kind == WIRE && found == 5) {
        link->bounces = (unsigned)b;
        link->gap = (avr_cycle_count_t)(c * 16);
    } else if (kind != WIRE) {
        if (found < 4 || (kind == ROBOT && b < a))
            return -1;
        link->longest = (avr_cycle_count_t)(b * 16);
        link->millivolts = (unsigned)b;
        link->random = seed * 0x9E3779B97F4A7C15ULL + 1;
    } else if (found == 4) {
        return -1;
    }
    if (kind != VOLTAGE)
        avr_raise_irq(link->to, 0);
    avr_irq_register_notify(link->from, driven, link);
    strcpy(traced[traced_count].name, from);
    traced[traced_count++].irq = link->from;
    if (kind != VOLTAGE) {
        strcpy(traced[traced_count].name, to);
        traced[traced_count++].irq = link->to;
    }
    link_count++;
    return 0;
}

int wire_add(avr_t *avr, const char *text)
{
    return add(avr, WIRE, text, "%7[^:]:%7[^:]:%lf:%lf:%lf", 0);
}

int robot_add(avr_t *avr, const char *text, uint64_t seed)
{
    return add(avr, ROBOT, text, "%7[^:]:%7[^:]:%lf:%lf", seed);
}

int voltage_add(avr_t *avr, const char *text)
{
    return add(avr, VOLTAGE, text, "%7[^:]:%7[^:]:%lf:%lf", 0);
}

static avr_cycle_count_t swing(avr_t *avr, avr_cycle_count_t when, void *param)
{
    struct link *tone = param;

    tone->level = !tone->level;
    avr_raise_irq(tone->to, (uint32_t)tone->level);
    (void)avr;
    return when + tone->shortest + (avr_cycle_count_t)(uniform(&tone->random) * (double)tone->gap);
}

int tone_add(avr_t *avr, const char *text, uint64_t seed)
{
    struct link *tone = &links[link_count];
    char pin[8];
    double hz;

    if (link_count == MAX_LINKS || sscanf(text, "%7[^:]:%lf", pin, &hz) != 2 || hz <= 0 || hz > 100000)
        return -1;
    tone->to = pin_named(avr, pin);
    if (!tone->to)
        return -1;
    /* Half a period is 0.95 to 1.05 of it. */
    tone->shortest = (avr_cycle_count_t)(0.95 * 8e6 / hz);
    tone->gap = (avr_cycle_count_t)(0.1 * 8e6 / hz);
    tone->random = seed * 0x9E3779B97F4A7C15ULL + 1;
    tone->level = 0;
    avr_raise_irq(tone->to, 0);
    avr_cycle_timer_register(avr, tone->shortest, swing, tone);
    strcpy(traced[traced_count].name, pin);
    traced[traced_count++].irq = tone->to;
    link_count++;
    return 0;
}

int trace_start(avr_t *avr, const char *path)
{
    unsigned i, j;

    if (avr_vcd_init(avr, path, &trace, TRACE_FLUSH_US))
        return -1;
    for (i = 0; i < traced_count; i++) {
        for (j = 0; j < i && strcmp(traced[i].name, traced[j].name) != 0; j++)
            ;
        if (i == j)
            avr_vcd_add_signal(&trace, traced[i].irq, 1, traced[i].name);
    }
    if (avr_vcd_start(&trace))
        return -1;
    /* Whole lines, so that the trace of a board that was killed can be read. */
    setvbuf(trace.output, NULL, _IOLBF, BUFSIZ);
    tracing = 1;
    return 0;
}

void trace_stop(void)
{
    if (tracing)
        avr_vcd_close(&trace);
    tracing = 0;
}
