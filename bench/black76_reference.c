/* Reference for bench/black76.py: the Black-76 price written the natural way in C.
 *
 * The same approximations as the Python kernel, in plain C expressions: the compiler is free to
 * contract and to vectorise as it likes (gcc -O3 -march=native). Nothing here fixes an order.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>

static const double EXP[] = {
    0x1.000000000000ap-1,
    0x1.55555555554fap-3,
    0x1.555555555088ep-5,
    0x1.1111111127b99p-7,
    0x1.6c16c1842607dp-10,
    0x1.a01a012a6957cp-13,
    0x1.a0199a17d3761p-16,
    0x1.71df253c97c30p-19,
    0x1.28ad67dbc2502p-22,
    0x1.ad7f75b26b1c7p-26
};
static const double LOG[] = {
    0x1.5555555555782p-4,
    0x1.99999998ed6c5p-7,
    0x1.249249b489fe2p-9,
    0x1.c71bffd37dbcdp-12,
    0x1.747523dc0864ap-14,
    0x1.384dafe8a7678p-16,
    0x1.3ae6a12590201p-18
};
static const double NUMERATOR[] = {
    0x1.0000000000000p-1,
    0x1.ad7d5f18b3d69p-1,
    0x1.64bd9a3150df9p-1,
    0x1.7b8c1d23f9509p-2,
    0x1.1bdddb8055d70p-3,
    0x1.3692ff714e8c9p-5,
    0x1.f6de36a73cfc2p-8,
    0x1.29ec59879dfd1p-10,
    0x1.f0909997ce8edp-14,
    0x1.08db12f556b80p-17,
    0x1.1661f9f4a149fp-22
};
static const double DENOMINATOR[] = {
    0x1.0000000000000p+0,
    0x1.3cdfc45baac4ap+1,
    0x1.6f3302c684d77p+1,
    0x1.0779b91a8c9afp+1,
    0x1.04c41ca96796fp+0,
    0x1.76de498700d45p-2,
    0x1.90c0e1e2b8ad5p-4,
    0x1.3ff774ed53aa8p-6,
    0x1.77fc188b3ee67p-9,
    0x1.37db79196b1bbp-12,
    0x1.4bf28d1fe57b1p-16,
    0x1.5ce6a7dd21690p-21
};

static inline double from_bits(uint64_t bits) { double x; memcpy(&x, &bits, 8); return x; }
static inline uint64_t to_bits(double x) { uint64_t bits; memcpy(&bits, &x, 8); return bits; }

#define HORNER(NAME, TABLE)                                                   \
    static inline double NAME(double x) {                                     \
        int n = sizeof TABLE / sizeof *TABLE;                                 \
        double value = TABLE[n - 1];                                          \
        for (int k = n - 2; k >= 0; k--) value = value * x + TABLE[k];        \
        return value;                                                         \
    }
HORNER(exp_polynomial, EXP)
HORNER(log_polynomial, LOG)
HORNER(mills_numerator, NUMERATOR)
HORNER(mills_denominator, DENOMINATOR)

/* exp(x) for -708 <= x <= 709: integer power of two times a polynomial on |r| <= ln 2 / 2. */
static inline double exp_core(double x) {
    double k = nearbyint(x * 0x1.71547652b82fep+0);
    double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
    double value = 1.0 + (r + r * r * exp_polynomial(r));
    return value * from_bits(to_bits(k + 0x1.8p52) + 1023 << 52);
}

/* ln(a / b) = k ln 2 + 2 atanh((a - b') / (a + b')), b' = b 2^k within a factor 1.51 of a. */
static inline double log_ratio(double a, double b) {
    int64_t distance = to_bits(a) - to_bits(b) + (1ull << 51);
    uint64_t exponent = distance & ~((1ull << 52) - 1);
    double near = from_bits(to_bits(b) + exponent);
    double z = (a - near) / (0.5 * (a + near));
    double k = from_bits((exponent ^ 1ull << 63) >> 52 | 0x4330000000000000) - 4503599627372544.0;
    double w = z * z;
    return k * 0x1.62e42fee00000p-1 + (z + (z * w * log_polynomial(w) + k * 0x1.a39ef35793c76p-33));
}

/* Undiscounted price; x = ln(forward / strike), s = volatility * sqrt(time), inverse = 1 / s. */
static inline double price(int is_call, double forward, double strike, double x, double s,
                           double inverse) {
    double smaller = forward < strike ? forward : strike;
    double near = 0.5 * s - fabs(x) * inverse;
    double kept = near > -37.6 ? near : -37.6;
    double far = s - kept, distance = fabs(kept);
    double q_near = mills_denominator(distance), q_far = mills_denominator(far);
    double side = kept >= 0.0 ? -1.0 : 1.0;
    double scale = smaller * exp_core(-0.5 * kept * kept) / (q_near * q_far);
    double value = (side * mills_numerator(distance) * q_far - mills_numerator(far) * q_near) * scale
                 + (kept >= 0.0 ? smaller : 0.0);
    value = value > 0.0 ? value : 0.0;
    value = near > -37.6 ? value : 0.0;
    value = s > 1e-18 ? value : 0.0;
    double gain = is_call ? forward - strike : strike - forward;
    double bound = is_call ? forward : strike;
    double total = (gain > 0.0 ? gain : 0.0) + value;
    total = total > bound ? bound : total;
    return s >= 24.0 ? bound : total;
}

void price_all(size_t n, const uint8_t *restrict is_call, const double *restrict forward,
               const double *restrict strike, const double *restrict volatility,
               const double *restrict time_years, double *restrict out) {
    for (size_t i = 0; i < n; i++) {
        double f = forward[i] > 0x1p-1000 ? forward[i] : 0.0;
        double k = strike[i] > 0x1p-1000 ? strike[i] : 0.0;
        double lesser = f < k ? f : k;
        double s = volatility[i] * sqrt(time_years[i] > 0.0 ? time_years[i] : 0.0);
        double x = log_ratio(lesser > 0.0 ? f : 1.0, lesser > 0.0 ? k : 1.0);
        double poison = f * 0.0 + k * 0.0 + volatility[i] * 0.0 + time_years[i] * 0.0;
        out[i] = price(is_call[i], f, k, x, s, 1.0 / (s > 1e-18 ? s : 1e-18)) + poison;
    }
}

/* What one lot of each option gains in 32 scenarios: weight * usd * (V(moved) - V(now)).
 * What does not depend on the scenario is taken out of the inner loop, which then has no logarithm
 * and one division per Mills ratio pair. */
void table_all(size_t rows, const uint8_t *restrict is_call, const double *restrict strike,
               const double *restrict forward, const double *restrict volatility,
               const double *restrict time_years, const double *restrict usd_per_lot,
               const double *restrict move, const double *restrict log_move,
               const double *restrict up, const double *restrict down,
               const int8_t *restrict kind, const double *restrict weight,
               double *restrict table) {
    for (size_t i = 0; i < rows; i++) {
        double f = forward[i], k = strike[i], usd = usd_per_lot[i];
        int call = is_call[i];
        double s = volatility[i] * sqrt(time_years[i]), x = log_ratio(f, k);
        double s_up = s * up[i], s_down = s * down[i];
        double inverse = 1.0 / s, inverse_up = 1.0 / s_up, inverse_down = 1.0 / s_down;
        double now = price(call, f, k, x, s, inverse);
        double *restrict row = table + 32 * i;
        for (int c = 0; c < 32; c++) {
            double spread = kind[c] > 0 ? s_up : kind[c] < 0 ? s_down : s;
            double inverted = kind[c] > 0 ? inverse_up : kind[c] < 0 ? inverse_down : inverse;
            double value = price(call, f * move[c], k, x + log_move[c], spread, inverted);
            row[c] = weight[c] * usd * (value - now);
        }
    }
}
