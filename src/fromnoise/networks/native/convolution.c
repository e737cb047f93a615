/* The weight gradient of a convolution of stride 1 in bfloat16, by AMX tiles of 16 x 16.

   Pictures lie channels-last. A group of them is laid out as one stream of pixels, with a column and a row of zeros
   between where the kernel reaches over the border, so that each tap of the kernel is a shift of the stream:

       dweight[o][i][tap] = sum over the stream's pixels p of up[p][o] * x[p + shift(tap)][i],

   a product of matrices over pixels, 32 at a time. */
#if defined __AMX_TILE__ && defined __AMX_BF16__ && defined __AVX512BF16__ && defined BFLOAT16
#define _GNU_SOURCE
#include "lanes.h"
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIXELS = 32, PAIRS = 16, CACHE = 1 << 20 }; /* of a tile, of the second cache what a group may take */

/* What is in memory by now must be there: compilers do not know what tile instructions read. */
#define SETTLED(address) __asm__ volatile("" : : "r"(address) : "memory")

typedef struct {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Tiles;

/* Ask the system for the tiles; whether it gives them. */
int amx_allowed(void) { return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0; }

/* Pixel `low` and pixel `high` of up to sixteen channels side by side */
INLINE __m512i paired(const real *low, const real *high, __mmask16 mask) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, low)),
                           _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, high)), 16));
}

/* A matrix of 16 x 16 pairs turned about its diagonal */
INLINE void turn(__m512i r[16]) {
    __m512i t[16];
    for (int k = 0; k < 16; k += 2)
        t[k] = _mm512_unpacklo_epi32(r[k], r[k + 1]), t[k + 1] = _mm512_unpackhi_epi32(r[k], r[k + 1]);
    for (int k = 0; k < 16; k += 4)
        for (int h = 0; h < 2; h++) {
            r[k + 2 * h] = _mm512_unpacklo_epi64(t[k + h], t[k + 2 + h]);
            r[k + 2 * h + 1] = _mm512_unpackhi_epi64(t[k + h], t[k + 2 + h]);
        }
    for (int k = 0; k < 4; k++)
        for (int h = 0; h < 16; h += 8) {
            t[h + k] = _mm512_shuffle_i32x4(r[h + k], r[h + 4 + k], 0x88);
            t[h + 4 + k] = _mm512_shuffle_i32x4(r[h + k], r[h + 4 + k], 0xdd);
        }
    for (int k = 0; k < 8; k++) {
        r[k] = _mm512_shuffle_i32x4(t[k], t[8 + k], 0x88);
        r[8 + k] = _mm512_shuffle_i32x4(t[k], t[8 + k], 0xdd);
    }
}

/* What one thread works with. The stream has `margin` pixels of zeros before and behind. */
typedef struct {
    long pitch, image, margin, ins, outs, taps, side, pairs; /* ins and outs: channels, rounded up to 32 */
    const real **from_x, **from_up;                          /* where each pixel of the stream lies, or at zeros */
    real *x, *up;
    float *sums; /* (outs, taps, ins) */
} Work;

/* up as tiles of 16 channels x 32 pixels, and its sums */
static void lay_up(const Work *w, long steps, long channels, float *sums) {
    for (long c = 0; c < w->outs; c += 16) {
        long count = channels - c < 0 ? 0 : channels - c < 16 ? channels - c : 16;
        lanes sum = fetch(sums + c, 16);
        for (long s = 0; s < steps; s++) {
            const real **from = w->from_up + w->margin + s * PIXELS;
            __m512i r[16];
            for (int k = 0; k < 16; k++) {
                r[k] = paired(from[2 * k] + c, from[2 * k + 1] + c, first(count));
                sum += _mm512_castsi512_ps(_mm512_slli_epi32(r[k], 16));
                sum += _mm512_castsi512_ps(_mm512_and_si512(r[k], _mm512_set1_epi32(0xffff0000)));
            }
            turn(r);
            __m512i *to = (__m512i *)(w->up + (c / 16 * steps + s) * 16 * PIXELS);
            for (int k = 0; k < 16; k++) _mm512_store_si512(to + k, r[k]);
        }
        keep(sums + c, sum, 16);
    }
}

/* x in pairs of pixels, once beginning with an even pixel of the stream and once with an odd one */
static void lay_x(const Work *w, long channels) {
    for (long c = 0; c < w->ins; c += 16) {
        long count = channels - c < 0 ? 0 : channels - c < 16 ? channels - c : 16;
        for (long odd = 0; odd < (w->side > 1 ? 2 : 1); odd++) {
            __m512i *to = (__m512i *)(w->x + (c / 16 * 2 + odd) * w->pairs * 32);
            for (long j = 0; j < w->pairs; j++) {
                const real **from = w->from_x + 2 * j + odd;
                _mm512_store_si512(to + j, paired(from[0] + c, from[1] + c, first(count)));
            }
        }
    }
}

/* Add the products of 32 x 32 channels for one tap to the sums, which are still to be written if `fresh`. */
INLINE void multiply(const Work *w, long steps, long o, long i, long tap, int fresh) {
    long row = w->taps * w->ins * sizeof(float), wide = 16 * w->taps * w->ins;
    float *sums = w->sums + (o * w->taps + tap) * w->ins + i;
    long at = w->margin + (tap / w->side - w->side / 2) * w->pitch + tap % w->side - w->side / 2;
    const real *a = w->up + o * steps * PIXELS, *b = w->x + ((i / 16 * 2 + at % 2) * w->pairs + at / 2) * 32;
    long next_a = steps * 16 * PIXELS, next_b = 2 * w->pairs * 32;
    if (fresh) {
        _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    } else {
        _tile_loadd(0, sums, row); _tile_loadd(1, sums + 16, row);
        _tile_loadd(2, sums + wide, row); _tile_loadd(3, sums + wide + 16, row);
    }
    SETTLED(a);
    for (long s = 0; s < steps; s++, a += 16 * PIXELS, b += 16 * PIXELS) {
        _tile_loadd(4, a, 64); _tile_loadd(6, b, 64); _tile_loadd(7, b + next_b, 64); _tile_loadd(5, a + next_a, 64);
        _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7); _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, row); _tile_stored(1, sums + 16, row);
    _tile_stored(2, sums + wide, row); _tile_stored(3, sums + wide + 16, row);
}

/* Where the stream's pixels lie: pictures first to last of x or up, else `nothing` */
static void trace(const Work *w, const real **from, const real *pictures, const real *nothing, long channels, long H,
                  long W, long count, long length) {
    for (long q = 0; q < length; q++) from[q] = nothing;
    for (long n = 0; n < count; n++)
        for (long y = 0; y < H; y++)
            for (long k = 0; k < W; k++)
                from[w->margin + n * w->image + y * w->pitch + k] = pictures + ((n * H + y) * W + k) * channels;
}

static void *room(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

/* x (N, H, W, inputs), up (N, H, W, outputs), side 1 or 3 with as much padding as keeps the size
   -> dweight (outputs, inputs, side, side), dbias (outputs). Gives 0, or 1 where there is no memory for it. */
int weight_gradient(const real *x, const real *up, float *dweight, float *dbias, long N, long H, long W, long inputs,
                    long outputs, long side, int threads) {
    if (side == 1) W *= H, H = 1;
    if (threads > N) threads = N;
    long reach = side / 2, pitch = W + (side == 1 ? W % 2 : reach), image = (H + reach) * pitch;
    Work of = {.pitch = pitch, .image = image, .margin = (reach * (pitch + 1) + 1) / 2 * 2, .side = side};
    of.ins = (inputs + 31) / 32 * 32, of.outs = (outputs + 31) / 32 * 32, of.taps = side * side;
    long each = (N + threads - 1) / threads, group = CACHE / (image * (2 * of.outs + 4 * of.ins));
    group = group < 1 ? 1 : group > each ? each : group;
    long most = (group * image + PIXELS - 1) / PIXELS, length = 2 * of.margin + most * PIXELS + 2;
    of.pairs = of.margin + most * PAIRS;
    size_t size = of.outs * of.taps * of.ins;
    float *sums = room(threads * size * sizeof(float)), *biases = room(threads * of.outs * sizeof(float));
    int failed = !sums || !biases;
#pragma omp parallel num_threads(threads) if (!failed)
    {
        long widest = of.ins > of.outs ? of.ins : of.outs;
        Work w = of;
        real *nothing = calloc(widest, sizeof(real));
        w.from_x = malloc(length * sizeof(real *)), w.from_up = malloc(length * sizeof(real *));
        w.x = room(w.ins * 2 * w.pairs * 2 * sizeof(real)), w.up = room(w.outs * most * PIXELS * sizeof(real));
        if (failed || !nothing || !w.from_x || !w.from_up || !w.x || !w.up) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp barrier
        if (!failed) {
            Tiles tiles = {.palette = 1}, before;
            for (int k = 0; k < 8; k++) tiles.bytes[k] = 64, tiles.rows[k] = 16;
            _tile_storeconfig(&before); /* other libraries of this process have tiles of their own */
            SETTLED(&tiles);
            _tile_loadconfig(&tiles);
#pragma omp for schedule(static)
            for (long t = 0; t < threads; t++) {
                float *bias = biases + t * w.outs;
                w.sums = sums + t * size;
                memset(bias, 0, w.outs * sizeof(float));
                if (t * each >= N) memset(w.sums, 0, size * sizeof(float)); /* nothing to do for this one */
                for (long n = t * each; n < (t + 1) * each && n < N; n += group) {
                    long last = (t + 1) * each < N ? (t + 1) * each : N, count = last - n < group ? last - n : group;
                    long steps = (count * image + PIXELS - 1) / PIXELS;
                    trace(&w, w.from_x, x + n * H * W * inputs, nothing, inputs, H, W, count, length);
                    trace(&w, w.from_up, up + n * H * W * outputs, nothing, outputs, H, W, count, length);
                    lay_x(&w, inputs), lay_up(&w, steps, outputs, bias);
                    for (long o = 0; o < w.outs; o += 32)
                        for (long i = 0; i < w.ins; i += 32)
                            for (long tap = 0; tap < w.taps; tap++) multiply(&w, steps, o, i, tap, n == t * each);
                }
            }
            _tile_release();
            if (before.palette) _tile_loadconfig(&before);
#pragma omp for schedule(static)
            for (long o = 0; o < outputs; o++) {
                float total = 0;
                for (long t = 0; t < threads; t++) total += biases[t * w.outs + o];
                dbias[o] = total;
                for (long tap = 0; tap < w.taps; tap++)
                    for (long i = 0; i < inputs; i++) {
                        float sum = 0;
                        for (long t = 0; t < threads; t++) sum += sums[t * size + (o * w.taps + tap) * w.ins + i];
                        dweight[(o * inputs + i) * w.taps + tap] = sum;
                    }
            }
        }
        free(nothing), free(w.from_x), free(w.from_up), free(w.x), free(w.up);
    }
    free(sums), free(biases);
    return failed;
}
#endif
