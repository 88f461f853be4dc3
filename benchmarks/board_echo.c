/* What a bare line costs: a message back, byte for byte, once its last one, a zero, is there; with AT_ONCE each byte
 * as it comes. It looks at nothing. benchmarks/board_ping.py compares the bench board with it. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

static volatile uint8_t ring[256], head, tail;

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0;

    ring[head++] = byte;
#ifdef AT_ONCE
    if (1)
#else
    if (byte == 0)
#endif
        UCSR0B |= _BV(UDRIE0);
}

ISR(USART_UDRE_vect)
{
    if (tail == head)
        UCSR0B &= (uint8_t)~_BV(UDRIE0);
    else
        UDR0 = ring[tail++];
}

int main(void)
{
    UCSR0A = _BV(U2X0);
    UBRR0 = 1;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
    set_sleep_mode(SLEEP_MODE_IDLE);
    sleep_enable();
    sei();
    for (;;)
        sleep_cpu();
}
