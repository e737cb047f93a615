/* Group normalisation, a shift before it and SiLU after it, in one pass forward and one backward.

   Pictures lie channels-last: x[n][pixel][channel], of type real; statistics and sums are float. Each picture is one
   thread's work, so that a picture's result does not depend on the others'. */
#include "lanes.h"
#include <stdlib.h>

enum { TILE = 32 }; /* pixels, so few that all their channels stay in the first cache while blocks of channels pass */

/* Do something for all pixels from i to `end` and `count` channels from c on: a tile after the other, a block after the
   other, where `count` is known to the compiler but in the last block. */
#define EACH_BLOCK(work, ...)                                                                                          \
    for (long i = 0; i < pixels; i += TILE)                                                                            \
        for (long c = 0, end = i + TILE < pixels ? i + TILE : pixels; c < channels; c += LANES) {                      \
            if (channels - c >= LANES)                                                                                 \
                work(i, end, c, LANES, channels, __VA_ARGS__);                                                         \
            else                                                                                                       \
                work(i, end, c, channels - c, channels, __VA_ARGS__);                                                  \
        }

/* Ask for the tile after next: pictures that come from memory come a tenth faster. */
INLINE void ahead(const real *from, long i, long channels) {
    const char *at = (const char *)(from + (i + 2 * TILE) * channels);
    for (const char *end = at + TILE * channels * sizeof(real); at < end; at += 64) __builtin_prefetch(at);
}

/* Sums and sums of squares about the first pixel, which costs no accuracy where a channel's mean is far from 0; each
   tile's in float, all tiles' in double, so that neither a large picture nor an odd first pixel costs any. */
INLINE void moments(long i, long end, long c, long count, long channels, const real *x, double *sum, double *squares) {
    if (!c) ahead(x, i, channels);
    lanes about = load(x + c, count), s = all(0.f), q = all(0.f);
    for (; i < end; i++) {
        lanes d = load(x + i * channels + c, count) - about;
        s += d, q += d * d;
    }
    float of_s[LANES], of_q[LANES];
    keep(of_s, s, LANES), keep(of_q, q, LANES);
    for (long k = 0; k < count; k++) sum[c + k] += of_s[k], squares[c + k] += of_q[k];
}

INLINE void apply(long i, long end, long c, long count, long channels, const real *x, const float *scale,
                  const float *offset, int silu, real *y) {
    lanes by = fetch(scale + c, count), plus = fetch(offset + c, count);
    for (; i < end; i++) {
        lanes z = load(x + i * channels + c, count) * by + plus;
        if (silu) z *= sigmoid(z);
        store(y + i * channels + c, z, count);
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
        double *mean = malloc(3 * channels * sizeof(double)), *squares = mean + channels;
        float *scale = (float *)(mean + 2 * channels), *offset = scale + channels;
#pragma omp for schedule(static)
        for (long n = 0; n < N; n++) {
            const real *xn = x + n * pixels * channels;
            real *yn = y + n * pixels * channels;
            memset(mean, 0, 2 * channels * sizeof(double));
            EACH_BLOCK(moments, xn, mean, squares)
            for (long c = 0; c < channels; c++) {
                double d = mean[c] / pixels;
                float about[LANES];
                keep(about, load(xn + c, 1), LANES);
                squares[c] -= d * mean[c], mean[c] = d + about[0] + (shift ? shift[n * channels + c] : 0.f);
            }
            for (long g = 0; g < groups; g++) {
                double m = 0, v = 0;
                for (long c = g * width; c < (g + 1) * width; c++) m += mean[c];
                m /= width;
                for (long c = g * width; c < (g + 1) * width; c++) v += squares[c] / pixels + (mean[c] - m) * (mean[c] - m);
                float r = 1. / sqrt((v < 0 ? 0 : v / width) + eps);
                stats[(n * groups + g) * 2] = m, stats[(n * groups + g) * 2 + 1] = r;
                for (long c = g * width; c < (g + 1) * width; c++) {
                    scale[c] = r * weight[c];
                    offset[c] = bias[c] + ((shift ? shift[n * channels + c] : 0.f) - (float)m) * scale[c];
                }
            }
            if (silu) {
                EACH_BLOCK(apply, xn, scale, offset, 1, yn)
            } else {
                EACH_BLOCK(apply, xn, scale, offset, 0, yn)
            }
        }
        free(mean);
    }
}

/* What one picture's backward pass holds for each channel. With z^ = (x + shift - mean) / sd = x * scale + offset and
   g = up * silu'(z), z = weight * z^ + bias: the sums over pixels of g, g z^ and z^, as in `moments` each tile's in
   float and all tiles' in double. */
typedef struct {
    float *scale, *offset;
    double *g, *gz, *z;
} Sums;

/* g into dx, which has room for it, and the sums */
INLINE void gather(long i, long end, long c, long count, long channels, const real *x, const real *up,
                   const float *weight, const float *bias, int silu, Sums sums, real *dx) {
    if (!c) ahead(x, i, channels), ahead(up, i, channels);
    lanes by = fetch(sums.scale + c, count), plus = fetch(sums.offset + c, count);
    lanes w = fetch(weight + c, count), b = fetch(bias + c, count);
    lanes of_g = all(0.f), of_gz = all(0.f), of_z = all(0.f);
    for (; i < end; i++) {
        lanes hat = load(x + i * channels + c, count) * by + plus, g = load(up + i * channels + c, count);
        if (silu) {
            lanes z = hat * w + b, s = sigmoid(z);
            g *= s + z * (s - s * s);
        }
        of_g += g, of_gz += g * hat, of_z += hat;
        store(dx + i * channels + c, g, count);
    }
    float g[LANES], gz[LANES], z[LANES];
    keep(g, of_g, LANES), keep(gz, of_gz, LANES), keep(z, of_z, LANES);
    for (long k = 0; k < count; k++) sums.g[c + k] += g[k], sums.gz[c + k] += gz[k], sums.z[c + k] += z[k];
}

INLINE void combine(long i, long end, long c, long count, long channels, const real *x, const real *beside,
                    const float *scale, const float *slope, const float *level, real *dx) {
    lanes by = fetch(scale + c, count), along = fetch(slope + c, count), plus = fetch(level + c, count);
    for (; i < end; i++) {
        long at = i * channels + c;
        lanes d = load(dx + at, count) * by + load(x + at, count) * along + plus;
        if (beside) d += load(beside + at, count);
        store(dx + at, d, count);
    }
}

/* The gradients for the gradient `up` of y: dx like x, dshift (N, channels) or 0; dweight and dbias (N, channels) are
   each picture's own, for the caller to sum. With g as in Sums and d = weight * g:
   dx = (d - mean over the group of d - z^ * mean over the group of d z^) / sd + beside, if that is not 0: the gradient
   that x has from elsewhere. */
void NAME(norm_backward)(const real *x, const float *shift, const real *up, const real *beside, const float *weight, const float *bias,
                         const float *stats, real *dx, float *dshift, float *dweight, float *dbias, long N, long pixels,
                         long channels, long groups, int silu, int threads) {
    long width = channels / groups;
    (void)threads;
#pragma omp parallel num_threads(threads)
    {
        double *of_g = malloc(5 * channels * sizeof(double)), *of_gz = of_g + channels, *of_z = of_g + 2 * channels;
        float *scale = (float *)(of_g + 3 * channels), *offset = scale + channels;
        float *slope = scale + 2 * channels, *level = scale + 3 * channels;
#pragma omp for schedule(static)
        for (long n = 0; n < N; n++) {
            const real *xn = x + n * pixels * channels, *un = up + n * pixels * channels;
            real *dn = dx + n * pixels * channels;
            float *dw = dweight + n * channels, *db = dbias + n * channels;
            for (long c = 0; c < channels; c++) {
                const float *s = stats + (n * groups + c / width) * 2;
                scale[c] = s[1], offset[c] = ((shift ? shift[n * channels + c] : 0.f) - s[0]) * s[1];
            }
            memset(of_g, 0, 3 * channels * sizeof(double));
            Sums sums = {scale, offset, of_g, of_gz, of_z};
            if (silu) {
                EACH_BLOCK(gather, xn, un, weight, bias, 1, sums, dn)
            } else {
                EACH_BLOCK(gather, xn, un, weight, bias, 0, sums, dn)
            }
            for (long g = 0; g < groups; g++) {
                double first = 0, second = 0;
                for (long c = g * width; c < (g + 1) * width; c++)
                    first += weight[c] * of_g[c], second += weight[c] * of_gz[c];
                first /= width * pixels, second /= width * pixels;
                for (long c = g * width; c < (g + 1) * width; c++) {
                    float r = scale[c];
                    db[c] = of_g[c], dw[c] = of_gz[c];
                    if (dshift) dshift[n * channels + c] = r * (weight[c] * of_g[c] - first * pixels - second * of_z[c]);
                    slope[c] = -r * r * (float)second, level[c] = -r * ((float)first + (float)second * offset[c]);
                    scale[c] = r * weight[c];
                }
            }
            if (beside) {
                EACH_BLOCK(combine, xn, beside + n * pixels * channels, scale, slope, level, dn)
            } else {
                EACH_BLOCK(combine, xn, 0, scale, slope, level, dn)
            }
        }
        free(of_g);
    }
}
