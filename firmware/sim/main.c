/* The bench board in simulation: the firmware's own ELF in simavr, its line behind a pseudo-terminal, paced to
 * CLOCK_MONOTONIC. `python -m harness.sim.board` starts it and tells its options. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "avr_extint.h"
#include "avr_uart.h"
#include "plugs.h"
#include "sim_avr.h"
#include "sim_core.h"
#include "sim_cycle_timers.h"
#include "sim_elf.h"
#include "wiring.h"

#define FREQUENCY 16000000
#define BYTE_CYCLES 176    /* simavr counts eleven bits a byte, whatever the format */
#define SLICE_CYCLES 16000 /* the longest that the line is not looked at while catching up */
#define LONGEST_SLEEP_NS 1000000
#define LATE_NS 20000000
#define LINE 8192          /* a power of two */

struct byte {
    avr_cycle_count_t due;
    uint8_t value;
};
/* What is under way on either wire of the line. */
static struct byte from_host[LINE], to_host[LINE];
static unsigned from_head, from_tail, to_head, to_tail;
static unsigned long lost;

static avr_t *avr;
static avr_irq_t *uart_in;
static int master, plug = -1;
static int64_t start_ns;
static double speed = FREQUENCY * 1e-9; /* cycles per ns of this host */
static volatile sig_atomic_t ending, resetting;

static void end(int number)
{
    (void)number;
    ending = 1;
}

static void reset(int number)
{
    (void)number;
    resetting = 1;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static avr_cycle_count_t cycle_at(int64_t ns)
{
    return (avr_cycle_count_t)((double)(ns - start_ns) * speed);
}

/* -- the line ----------------------------------------------------------------------------------------------- */

static avr_cycle_count_t feed(avr_t *unused, avr_cycle_count_t when, void *param)
{
    (void)unused;
    (void)when;
    (void)param;
    while (from_tail != from_head && from_host[from_tail % LINE].due <= avr->cycle)
        avr_raise_irq(uart_in, from_host[from_tail++ % LINE].value);
    return from_tail != from_head ? from_host[from_tail % LINE].due : 0;
}

static void sent(avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq;
    (void)param;
    if (to_head - to_tail == LINE) {
        lost++;
        return;
    }
    /* It is with the host when its last bit is. */
    to_host[to_head++ % LINE] = (struct byte){avr->cycle + BYTE_CYCLES, (uint8_t)value};
}

/* The board is never ahead of the host's clock, so a byte of now is taken at an instant still to come: the
 * instants that the firmware stamps are after what caused them, and before what they cause. */
static void take_from_host(void)
{
    static avr_cycle_count_t last;
    uint8_t data[512];
    unsigned room = LINE - (from_head - from_tail);
    ssize_t i, count;
    int was_empty = from_head == from_tail;
    avr_cycle_count_t due;

    if (room < sizeof data)
        return;
    count = read(master, data, sizeof data);
    due = cycle_at(now_ns()) + 1;
    for (i = 0; i < count; i++) {
        last = due > last + BYTE_CYCLES ? due : last + BYTE_CYCLES;
        from_host[from_head++ % LINE] = (struct byte){last, data[i]};
    }
    if (count > 0 && was_empty)
        avr_cycle_timer_register(avr, from_host[from_tail % LINE].due - avr->cycle, feed, NULL);
}

static void give_to_host(void)
{
    uint8_t data[512];
    unsigned count = 0;
    ssize_t done;

    while (to_tail + count != to_head && count < sizeof data && to_host[(to_tail + count) % LINE].due <= avr->cycle) {
        data[count] = to_host[(to_tail + count) % LINE].value;
        count++;
    }
    if (!count)
        return;
    done = write(master, data, count);
    /* Where nobody reads, a line loses what was sent. */
    if (done < (ssize_t)count)
        lost += count - (done > 0 ? (unsigned)done : 0);
    to_tail += count;
}

static int open_line(const char *link)
{
    struct termios how;
    const char *name;
    int slave;

    master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master) || !(name = ptsname(master)))
        return -1;
    /* Kept open: without it, reading fails whenever the host has closed its end. */
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &how))
        return -1;
    cfmakeraw(&how);
    if (tcsetattr(slave, TCSANOW, &how))
        return -1;
    if (link) {
        unlink(link);
        if (symlink(name, link))
            return -1;
    }
    return 0;
}

/* -- time --------------------------------------------------------------------------------------------------- */

static avr_cycle_count_t fence(avr_t *unused, avr_cycle_count_t when, void *param)
{
    (void)unused;
    (void)when;
    (void)param;
    return 0;
}

/* One step, in place of simavr's own, which sleeps in the time of this host, past the fence where it is reached
 * while falling asleep, and on where an interrupt came between the last look and that. */
static void step(avr_t *board)
{
    int slept = board->state == cpu_Sleeping;
    avr_flashaddr_t next = slept ? board->pc : avr_run_one(board);
    avr_cycle_count_t idle = avr_cycle_timer_process(board);

    board->pc = next;
    if (board->state == cpu_Sleeping) {
        if (avr_has_pending_interrupts(board))
            board->state = cpu_Running;
        else if (slept)
            board->cycle += idle;
    }
    if (board->interrupt_state)
        avr_service_interrupts(board);
}

/* Let the board go on to that cycle. A sleeping one jumps to its next timer, hence the fence. */
static int run_to(avr_cycle_count_t target)
{
    if (target > avr->cycle)
        avr_cycle_timer_register(avr, target - avr->cycle, fence, NULL);
    while (avr->cycle < target) {
        int state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed)
            return -1;
    }
    avr_cycle_timer_cancel(avr, fence, NULL);
    return 0;
}

static int64_t until_next(int64_t now)
{
    avr_cycle_count_t next = avr->cycle + (avr_cycle_count_t)(LONGEST_SLEEP_NS * speed);
    int64_t left;

    if (avr->state != cpu_Sleeping)
        return 0;
    if (avr->cycle_timers.timer && avr->cycle_timers.timer->when < next)
        next = avr->cycle_timers.timer->when;
    if (to_tail != to_head && to_host[to_tail % LINE].due < next)
        next = to_host[to_tail % LINE].due;
    left = start_ns + (int64_t)((double)next / speed) - now;
    return left < 0 ? 0 : left;
}

static int run(void)
{
    int64_t told_ns = 0;

    while (!ending) {
        int64_t now = now_ns(), wait;
        avr_cycle_count_t target = cycle_at(now);
        struct pollfd in[2] = {{.fd = master, .events = POLLIN}, {.fd = plug, .events = POLLIN}};
        struct timespec pause;

        if (resetting) {
            resetting = 0;
            avr_reset(avr);
        }
        if (target > avr->cycle + SLICE_CYCLES) {
            if ((double)(target - avr->cycle) > LATE_NS * speed && now - told_ns > 1000000000LL) {
                fprintf(stderr, "the simulation is %.0f ms behind this host's clock: the host is busy\n",
                        (double)(target - avr->cycle) / speed * 1e-6);
                told_ns = now;
            }
            target = avr->cycle + SLICE_CYCLES;
        }
        if (run_to(target)) {
            fprintf(stderr, "the firmware has stopped\n");
            return 1;
        }
        give_to_host();
        wait = avr->cycle + SLICE_CYCLES < cycle_at(now) ? 0 : until_next(now_ns());
        pause = (struct timespec){0, wait};
        if (ppoll(in, 2, &pause, NULL) <= 0)
            continue;
        if (in[0].revents & POLLIN)
            take_from_host();
        if (in[1].revents & POLLIN)
            plugs_take(cycle_at(now_ns()) + 1);
    }
    return 0;
}

static void quiet(avr_t *unused, const int level, const char *format, va_list arguments)
{
    (void)unused;
    if (level <= LOG_ERROR)
        vfprintf(stderr, format, arguments);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"elf", required_argument, 0, 'e'},   {"link", required_argument, 0, 'l'},
        {"wire", required_argument, 0, 'w'},  {"robot", required_argument, 0, 'r'},
        {"seed", required_argument, 0, 's'},  {"voltage", required_argument, 0, 'a'},
        {"tone", required_argument, 0, 't'},  {"vcd", required_argument, 0, 'v'},
        {"drift-ppm", required_argument, 0, 'd'}, {"plugs", required_argument, 0, 'p'},
        {0, 0, 0, 0},
    };
    static elf_firmware_t firmware;
    const char *elf = NULL, *link = NULL, *vcd = NULL, *plugs = NULL;
    uint64_t seed = 1;
    uint32_t flags = 0;
    int option, wrong = 0;

    avr_global_logger_set(quiet);
    avr = avr_make_mcu_by_name("atmega328p");
    if (!avr) {
        fprintf(stderr, "this simavr has no atmega328p\n");
        return 1;
    }
    avr_init(avr);
    /* Low pins are polled for ever otherwise, also once the firmware waits for edges. */
    avr_extint_set_strict_lvl_trig(avr, 0, 0);
    avr_extint_set_strict_lvl_trig(avr, 1, 0);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'e': elf = optarg; break;
        case 'l': link = optarg; break;
        case 'v': vcd = optarg; break;
        case 'p': plugs = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'd': speed *= 1 + atof(optarg) * 1e-6; break;
        case 'w': wrong = wire_add(avr, optarg); break;
        case 'r': wrong = robot_add(avr, optarg, seed); break;
        case 't': wrong = tone_add(avr, optarg, seed); break;
        case 'a': wrong = voltage_add(avr, optarg); break;
        default: return 2;
        }
        if (wrong) {
            fprintf(stderr, "cannot read %s\n", optarg);
            return 2;
        }
    }
    if (!elf || elf_read_firmware(elf, &firmware)) {
        fprintf(stderr, "no firmware in %s\n", elf ? elf : "--elf");
        return 2;
    }
    firmware.frequency = FREQUENCY;
    avr_load_firmware(avr, &firmware);
    avr->frequency = FREQUENCY;
    avr->vcc = avr->avcc = avr->aref = 5000;
    avr->run = step;
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), sent, NULL);
    uart_in = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    if (vcd && trace_start(avr, vcd)) {
        fprintf(stderr, "cannot write %s\n", vcd);
        return 2;
    }
    if (open_line(link)) {
        perror("the pseudo-terminal");
        return 1;
    }
    if (plugs && (plug = plugs_open(avr, plugs)) < 0) {
        perror(plugs);
        return 1;
    }
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGUSR1, reset);
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    start_ns = now_ns();
    printf("ready %s %lld\n", ptsname(master), (long long)start_ns);
    fflush(stdout);
    option = run();
    trace_stop();
    plugs_close();
    if (link)
        unlink(link);
    if (lost)
        fprintf(stderr, "%lu bytes were sent while nobody read\n", lost);
    return option;
}
