#include "plugs.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wiring.h"

#define MAX_WATCHES 16

static struct watch {
    avr_irq_t *pin;
    char name[8];
    struct sockaddr_un who;
    socklen_t length;
} watches[MAX_WATCHES];
static unsigned watch_count;

static avr_t *avr;
static int plug = -1;
static struct sockaddr_un here;

static void tell(const struct watch *watch, uint32_t level)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%s %u", watch->name, level ? 1 : 0);

    /* Who has gone, or does not read, misses it, as with any wire. */
    (void)sendto(plug, text, (size_t)length, MSG_DONTWAIT, (const struct sockaddr *)&watch->who, watch->length);
}

static void changed(avr_irq_t *irq, uint32_t level, void *param)
{
    if (level != irq->value)
        tell(param, level);
}

static int watch_add(const char *name, avr_irq_t *pin, const struct sockaddr_un *who, socklen_t length)
{
    struct watch *watch = &watches[watch_count];

    if (watch_count == MAX_WATCHES || length <= offsetof(struct sockaddr_un, sun_path))
        return -1;
    watch_count++;
    watch->pin = pin;
    strcpy(watch->name, name);
    watch->who = *who;
    watch->length = length;
    avr_irq_register_notify(pin, changed, watch);
    tell(watch, pin->value);
    return 0;
}

int plugs_open(avr_t *board, const char *path)
{
    here.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof here.sun_path)
        return -1;
    strcpy(here.sun_path, path);
    unlink(path);
    avr = board;
    plug = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (plug < 0 || bind(plug, (struct sockaddr *)&here, sizeof here))
        return -1;
    return plug;
}

void plugs_take(avr_cycle_count_t due)
{
    char text[64], name[8];
    struct sockaddr_un who;
    socklen_t length = sizeof who;
    unsigned level;
    ssize_t count;

    while ((count = recvfrom(plug, text, sizeof text - 1, 0, (struct sockaddr *)&who, &length)) >= 0) {
        avr_irq_t *pin;
        int wrong = 1;

        text[count] = 0;
        if (sscanf(text, "set %7s %u", name, &level) == 2 && (pin = pin_named(avr, name)) != NULL)
            wrong = pin_later(avr, due, pin, level ? 1 : 0);
        else if (sscanf(text, "watch %7s", name) == 1 && (pin = pin_named(avr, name)) != NULL)
            wrong = watch_add(name, pin, &who, length);
        if (wrong)
            fprintf(stderr, "a program with a wire to the board said `%s`\n", text);
        length = sizeof who;
    }
}

void plugs_close(void)
{
    if (plug < 0)
        return;
    close(plug);
    unlink(here.sun_path);
}
