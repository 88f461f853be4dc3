/* Arduino Uno and Nano: ATmega328P at 16 MHz. What is on which pin: firmware/PROTOCOL.md. */
#include "board.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#include "core.h"

const char board_name[] = "ATmega328P, 16 MHz";
const uint8_t board_kind = 1;
const uint32_t board_tick_hz = 2000000; /* timer 1, 16 MHz / 8 */
const uint8_t board_exact_inputs = 0x01;
const uint16_t board_compose_ticks = 280;

/* From the edge to the reading of the counter in an undisturbed interrupt, in ticks. */
#define EXTERNAL_INTERRUPT_TICKS 3
/* From sample-and-hold to the end of a conversion: 11.5 of its 13 clocks of 4 us. */
#define CONVERSION_TICKS 92

#define CAPTURE_PIN PB0 /* D8 */

static volatile uint16_t wraps;
static uint8_t reset_cause __attribute__((section(".noinit")));

static volatile uint8_t tx[256];
static volatile uint8_t tx_head, tx_tail;

/* The watchdog stays on through the reset that it causes: off before anything takes long. */
void early(void) __attribute__((naked, used, section(".init3")));
void early(void)
{
    reset_cause = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

uint8_t board_reset_cause(void)
{
    return reset_cause;
}

uint8_t board_lock(void)
{
    uint8_t state = SREG;

    cli();
    return state;
}

void board_unlock(uint8_t state)
{
    SREG = state;
}

/* -- time --------------------------------------------------------------------------------------------------- */

/* A wrap whose interrupt is still to come belongs to small counts only. With interrupts off. */
static inline uint32_t extended(uint16_t count)
{
    uint16_t high = wraps;

    if ((TIFR1 & _BV(TOV1)) && count < 0x8000)
        high++;
    return (uint32_t)high << 16 | count;
}

uint32_t board_ticks(void)
{
    uint8_t state = board_lock();
    uint32_t found = extended(TCNT1);

    board_unlock(state);
    return found;
}

ISR(TIMER1_OVF_vect)
{
    wraps++;
}

void board_alarm(uint32_t at)
{
    OCR1A = (uint16_t)at;
}

ISR(TIMER1_COMPA_vect)
{
    core_alarm();
}

/* -- serial, 1 Mbaud ---------------------------------------------------------------------------------------- */

ISR(USART_RX_vect)
{
    uint8_t status = UCSR0A, byte = UDR0;

    if (status & _BV(DOR0))
        core_overrun();
    core_received(byte);
}

ISR(USART_UDRE_vect)
{
    uint8_t tail = tx_tail;

    if (tail == tx_head) {
        UCSR0B &= (uint8_t)~_BV(UDRIE0);
    } else {
        UDR0 = tx[tail];
        tx_tail = tail + 1;
    }
}

uint8_t board_send_room(void)
{
    return 255 - (uint8_t)(tx_head - tx_tail);
}

void board_send(const uint8_t *data, uint8_t length)
{
    uint8_t head = tx_head;

    while (length--)
        tx[head++] = *data++;
    tx_head = head;
    UCSR0B |= _BV(UDRIE0);
}

/* -- outputs: D4 D5 D6 D7, relays on D10 D11 ---------------------------------------------------------------- */

static const uint8_t output_masks[BOARD_OUTPUTS] = {_BV(4), _BV(5), _BV(6), _BV(7), _BV(2), _BV(3)};

void board_output(uint8_t output, uint8_t level)
{
    volatile uint8_t *port = output < 4 ? &PORTD : &PORTB;
    uint8_t mask = output_masks[output], state = board_lock();

    if (level)
        *port |= mask;
    else
        *port &= (uint8_t)~mask;
    board_unlock(state);
}

/* -- inputs: D8 by capture, D2 and D3 by interrupt ---------------------------------------------------------- */

uint8_t board_input(uint8_t input)
{
    if (input == 0)
        return (PINB & _BV(CAPTURE_PIN)) != 0;
    return (PIND & _BV(input + 1)) != 0;
}

/* Changing the edge of the capture unit may set its flag. The wrap and the alarm are seen to here, since a
 * simulator is known that clears every flag of the timer with any one of them. */
static void forget_capture(void)
{
    if (TIFR1 & _BV(ICF1)) {
        uint8_t wrapped = TIFR1 & _BV(TOV1);
        TIFR1 = _BV(ICF1) | wrapped;
        if (wrapped)
            wraps++;
        core_alarm();
    }
}

void board_arm(uint8_t input, uint8_t on, uint8_t pull_up)
{
    volatile uint8_t *port = input == 0 ? &PORTB : &PORTD;
    uint8_t mask = input == 0 ? _BV(CAPTURE_PIN) : _BV(input + 1);

    if (pull_up)
        *port |= mask;
    else
        *port &= (uint8_t)~mask;
    if (input == 0) {
        if (board_input(0))
            TCCR1B &= (uint8_t)~_BV(ICES1);
        else
            TCCR1B |= _BV(ICES1);
        forget_capture();
        if (on)
            TIMSK1 |= _BV(ICIE1);
        else
            TIMSK1 &= (uint8_t)~_BV(ICIE1);
    } else {
        uint8_t bit = input == 1 ? _BV(INT0) : _BV(INT1);
        EIFR = bit;
        if (on)
            EIMSK |= bit;
        else
            EIMSK &= (uint8_t)~bit;
    }
}

ISR(TIMER1_CAPT_vect)
{
    uint32_t at = extended(ICR1);
    uint8_t level = (TCCR1B & _BV(ICES1)) != 0;

    TCCR1B ^= _BV(ICES1);
    forget_capture();
    core_edge(0, level, at, 0);
    if (board_input(0) != level && !(TIFR1 & _BV(ICF1))) {
        /* It went back before the unit was waiting for that. */
        TCCR1B ^= _BV(ICES1);
        forget_capture();
        core_edge(0, !level, board_ticks(), 0x02);
    }
}

ISR(INT0_vect)
{
    uint32_t at = extended(TCNT1) - EXTERNAL_INTERRUPT_TICKS;

    core_edge(1, (PIND & _BV(2)) != 0, at, 0);
}

ISR(INT1_vect)
{
    uint32_t at = extended(TCNT1) - EXTERNAL_INTERRUPT_TICKS;

    core_edge(2, (PIND & _BV(3)) != 0, at, 0);
}

/* -- analogue: A0 to A5, 19 kHz ----------------------------------------------------------------------------- */

void board_analog(uint8_t channel)
{
    ADCSRA = 0;
    if (channel == 0xFF)
        return;
    ADMUX = _BV(REFS0) | channel;
    ADCSRB = 0;
    ADCSRA = _BV(ADEN) | _BV(ADSC) | _BV(ADATE) | _BV(ADIE) | _BV(ADPS2) | _BV(ADPS1);
}

ISR(ADC_vect)
{
    core_analog(ADC, extended(TCNT1) - CONVERSION_TICKS);
}

/* ----------------------------------------------------------------------------------------------------------- */

int main(void)
{
    DDRD = 0xF0;
    DDRB = _BV(2) | _BV(3);
    DIDR0 = 0x3F;
    UCSR0A = _BV(U2X0); /* before the rate: simavr reads it only then */
    UBRR0 = 1;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
    TCCR1A = 0;
    TIMSK1 = _BV(TOIE1) | _BV(OCIE1A);
    TCCR1B = _BV(ICNC1) | _BV(ICES1) | _BV(CS11);
    EICRA = _BV(ISC00) | _BV(ISC10); /* any change */
    set_sleep_mode(SLEEP_MODE_IDLE);
    wdt_enable(WDTO_250MS);
    core_start();
    sei();
    for (;;) {
        wdt_reset();
        if (core_turn())
            continue;
        cli();
        if (!core_pending()) {
            /* An interrupt that comes between these two wakes it at once. */
            sleep_enable();
            sei();
            sleep_cpu();
            sleep_disable();
        }
        sei();
    }
}
