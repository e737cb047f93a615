/* Group normalisation, a shift before it and SiLU after it, in one pass forward and one backward.

   Pictures lie channels-last: x[n][pixel][channel], of type real (float, or bfloat16 with -DBFLOAT16); statistics and
   sums are float. Each picture is one thread's work, so that a picture's result does not depend on the others'. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef BFLOAT16
typedef uint16_t real;
#define NAME(name) name##_bfloat16
static inline float load(real stored) {
    uint32_t bits = (uint32_t)stored << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline real store(float value) { /* round to nearest, ties to even; a NaN stays one */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
#else
typedef float real;
#define NAME(name) name##_float32
static inline float load(real stored) { return stored; }
static inline real store(float value) { return value; }
#endif

/* 1 / (1 + exp(-z)) by 2^n times a polynomial in [-1/2, 1/2], to 2e-7; in plain steps, so that compilers vectorise it. */
static inline float sigmoid(float z) {
    float t = z * -1.44269504f;
    t = t > 126.f ? 126.f : t < -126.f ? -126.f : t;
    float n = rintf(t), f = t - n;
    float p = 1.5403530e-4f;
    p = p * f + 1.3333558e-3f, p = p * f + 9.6181291e-3f, p = p * f + 5.5504109e-2f;
    p = p * f + 2.4022651e-1f, p = p * f + 6.9314718e-1f, p = p * f + 1.f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    float s = 1.f / (1.f + p * power);
    return z != z ? z : s;
}

/* Per channel: the mean and the summed squares about it. Sums are taken about the first pixel, which costs no accuracy
   where a channel's mean is far from 0. */
static void moments(const real *restrict x, long pixels, long channels, float *restrict mean, float *restrict squares) {
    memset(mean, 0, channels * sizeof(float)), memset(squares, 0, channels * sizeof(float));
    for (long i = 1; i < pixels; i++)
        for (long c = 0; c < channels; c++) {
            float d = load(x[i * channels + c]) - load(x[c]);
            mean[c] += d, squares[c] += d * d;
        }
    for (long c = 0; c < channels; c++) {
        float d = mean[c] / pixels;
        squares[c] -= d * mean[c], mean[c] = d + load(x[c]);
    }
}

/* x (N, pixels, channels), shift (N, channels) or 0, weight and bias (channels), groups that divide channels
   -> y like x, stats (N, groups, 2): mean and 1 / standard deviation of x + shift. */
void NAME(norm_forward)(const real *x, const float *shift, const float *weight, const float *bias, real *y, float *stats,
                        long N, long pixels, long channels, long groups, int silu, float eps, int threads) {
    long width = channels / groups;
    (void)threads;
#pragma omp parallel num_threads(threads)
    {
        float *scratch = malloc(4 * channels * sizeof(float));
        float *restrict mean = scratch, *restrict squares = scratch + channels;
        float *restrict scale = scratch + 2 * channels, *restrict offset = scratch + 3 * channels;
#pragma omp for schedule(static)
        for (long n = 0; n < N; n++) {
            const real *restrict xn = x + n * pixels * channels;
            real *restrict yn = y + n * pixels * channels;
            moments(xn, pixels, channels, mean, squares);
            for (long g = 0; g < groups; g++) {
                double m = 0, v = 0;
                for (long c = g * width; c < (g + 1) * width; c++) m += mean[c] += shift ? shift[n * channels + c] : 0.f;
                m /= width;
                for (long c = g * width; c < (g + 1) * width; c++) v += squares[c] / pixels + (mean[c] - m) * (mean[c] - m);
                float r = 1. / sqrt((v < 0 ? 0 : v / width) + eps);
                stats[(n * groups + g) * 2] = m, stats[(n * groups + g) * 2 + 1] = r;
                for (long c = g * width; c < (g + 1) * width; c++) {
                    scale[c] = r * weight[c];
                    offset[c] = bias[c] + ((shift ? shift[n * channels + c] : 0.f) - (float)m) * scale[c];
                }
            }
            for (long i = 0; i < pixels; i++)
                if (silu)
                    for (long c = 0; c < channels; c++) {
                        float z = load(xn[i * channels + c]) * scale[c] + offset[c];
                        yn[i * channels + c] = store(z * sigmoid(z));
                    }
                else
                    for (long c = 0; c < channels; c++)
                        yn[i * channels + c] = store(load(xn[i * channels + c]) * scale[c] + offset[c]);
        }
        free(scratch);
    }
}

/* The gradients for the gradient `up` of y: dx like x, dshift (N, channels) or 0; dweight and dbias (N, channels) are
   each picture's own, for the caller to sum. With z^ = (x + shift - mean) / sd and d = weight * up * silu'(z):
   dx = (d - mean over the group of d - z^ * mean over the group of d z^) / sd. */
void NAME(norm_backward)(const real *x, const float *shift, const real *up, const float *weight, const float *bias,
                         const float *stats, real *dx, float *dshift, float *dweight, float *dbias, long N, long pixels,
                         long channels, long groups, int silu, int threads) {
    long width = channels / groups;
    (void)threads;
#pragma omp parallel num_threads(threads)
    {
        float *scratch = malloc((5 + pixels) * channels * sizeof(float));
        float *restrict scale = scratch, *restrict offset = scratch + channels, *restrict total = scratch + 2 * channels;
        float *restrict slope = scratch + 3 * channels, *restrict level = scratch + 4 * channels;
        float *restrict d = scratch + 5 * channels;
#pragma omp for schedule(static)
        for (long n = 0; n < N; n++) {
            const real *restrict xn = x + n * pixels * channels, *restrict un = up + n * pixels * channels;
            real *restrict dn = dx + n * pixels * channels;
            float *restrict dw = dweight + n * channels, *restrict db = dbias + n * channels;
            for (long c = 0; c < channels; c++) { /* z^ = x * scale + offset */
                const float *s = stats + (n * groups + c / width) * 2;
                scale[c] = s[1], offset[c] = ((shift ? shift[n * channels + c] : 0.f) - s[0]) * s[1];
                dw[c] = db[c] = total[c] = 0;
            }
            for (long i = 0; i < pixels; i++) {
                const real *restrict xi = xn + i * channels, *restrict ui = un + i * channels;
                float *restrict di = d + i * channels;
                if (silu)
#pragma omp simd
                    for (long c = 0; c < channels; c++) {
                        float h = load(xi[c]) * scale[c] + offset[c], z = h * weight[c] + bias[c], s = sigmoid(z);
                        float g = load(ui[c]) * s * (1.f + z * (1.f - s));
                        di[c] = g, db[c] += g, dw[c] += g * h, total[c] += h;
                    }
                else
#pragma omp simd
                    for (long c = 0; c < channels; c++) {
                        float h = load(xi[c]) * scale[c] + offset[c], g = load(ui[c]);
                        di[c] = g, db[c] += g, dw[c] += g * h, total[c] += h;
                    }
            }
            for (long g = 0; g < groups; g++) {
                double first = 0, second = 0;
                for (long c = g * width; c < (g + 1) * width; c++)
                    first += (double)weight[c] * db[c], second += (double)weight[c] * dw[c];
                first /= width * pixels, second /= width * pixels;
                for (long c = g * width; c < (g + 1) * width; c++) {
                    float r = scale[c];
                    if (dshift) dshift[n * channels + c] = r * (weight[c] * db[c] - (float)first * pixels - (float)second * total[c]);
                    slope[c] = -r * r * (float)second, level[c] = -r * ((float)first + (float)second * offset[c]);
                    scale[c] = r * weight[c];
                }
            }
            for (long i = 0; i < pixels; i++)
                for (long c = 0; c < channels; c++)
                    dn[i * channels + c] =
                        store(d[i * channels + c] * scale[c] + load(xn[i * channels + c]) * slope[c] + level[c]);
        }
        free(scratch);
    }
}
