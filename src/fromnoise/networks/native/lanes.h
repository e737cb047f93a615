/* As many numbers at once as the processor likes: kept as `real` (float, or bfloat16 with -DBFLOAT16), worked with as
   floats.

   The compiler's own vectors do it on any processor; where it has the instructions for bfloat16 (__AVX512BF16__), these
   do the same in a third of the steps. `count` says how many of the LANES there are, the last ones of a row may be
   fewer: those that are not there are 0 and are not written. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#elif defined __AVX2__
#define LANES 8
#else
#define LANES 4
#endif
#define INLINE static inline __attribute__((always_inline))

#ifdef BFLOAT16
typedef uint16_t real;
#define NAME(name) name##_bfloat16
#else
typedef float real;
#define NAME(name) name##_float32
#endif

#ifdef __AVX512BF16__
#include <immintrin.h>
typedef __m512 lanes;

INLINE __mmask16 first(long count) { return count >= LANES ? 0xffff : (__mmask16)((1u << count) - 1); }

INLINE lanes all(float value) { return _mm512_set1_ps(value); }

INLINE lanes fetch(const float *from, long count) { return _mm512_maskz_loadu_ps(first(count), from); }

INLINE void keep(float *to, lanes value, long count) { _mm512_mask_storeu_ps(to, first(count), value); }

#ifdef BFLOAT16
INLINE lanes load(const real *from, long count) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(count), from)), 16));
}

INLINE void store(real *to, lanes value, long count) {
    _mm256_mask_storeu_epi16(to, first(count), (__m256i)_mm512_cvtneps_pbh(value));
}

/* 1 / d to 14 bits: bfloat16 keeps 8 */
INLINE lanes inverse(lanes d) { return _mm512_rcp14_ps(d); }
#else
INLINE lanes inverse(lanes d) { return 1.f / d; }
#endif

/* 2^t as 2^n times 2^f, n the nearest integer and f the rest, of which `power` gives the last factor */
#define EXP2(t, power) _mm512_scalef_ps(power(_mm512_reduce_ps(t, 8)), (t) - _mm512_reduce_ps(t, 8))
#else
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));

INLINE lanes all(float value) { return value - (lanes){0}; }

INLINE lanes fetch(const float *from, long count) {
    lanes value = {0};
    memcpy(&value, from, count * sizeof *from);
    return value;
}

INLINE void keep(float *to, lanes value, long count) { memcpy(to, &value, count * sizeof *to); }

INLINE whole choose(whole condition, whole yes, whole no) { return (condition & yes) | (~condition & no); }

#ifdef BFLOAT16
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));
typedef uint32_t bits __attribute__((vector_size(4 * LANES)));

INLINE lanes load(const real *from, long count) {
    halves value = {0};
    memcpy(&value, from, count * sizeof *from);
    return (lanes)(__builtin_convertvector(value, bits) << 16);
}

INLINE void store(real *to, lanes value, long count) { /* round to nearest, ties to even; a NaN stays one */
    bits b = (bits)value, rounded = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
    halves found = __builtin_convertvector((bits)choose(value == value, (whole)rounded, (whole){0} + 0x7fc0), halves);
    memcpy(to, &found, count * sizeof *to);
}
#endif

INLINE lanes inverse(lanes d) { return 1.f / d; }

INLINE lanes scaled(lanes t, lanes (*power)(lanes)) {
    t = (lanes)choose(t > 126.f, (whole)all(126.f), choose(t < -126.f, (whole)all(-126.f), (whole)t));
    whole n = __builtin_convertvector(t + 128.5f, whole) - 128; /* the nearest integer: 128.5 makes it positive first */
    return power(t - __builtin_convertvector(n, lanes)) * (lanes)((n + 127) << 23);
}
#define EXP2(t, power) scaled(t, power)
#endif

#ifndef BFLOAT16
INLINE lanes load(const real *from, long count) { return fetch(from, count); }
INLINE void store(real *to, lanes value, long count) { keep(to, value, count); }
#endif

/* 2^f for f in [-1/2, 1/2], to 2e-7 */
INLINE lanes power(lanes f) {
    lanes p = f * 1.5403530e-4f + 1.3333558e-3f;
    p = p * f + 9.6181291e-3f, p = p * f + 5.5504109e-2f, p = p * f + 2.4022651e-1f;
    return (p * f + 6.9314718e-1f) * f + 1.f;
}

/* 1 / (1 + exp(-z)) */
INLINE lanes sigmoid(lanes z) { return inverse(1.f + EXP2(z * -1.44269504f, power)); }
