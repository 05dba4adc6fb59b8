// Positions before RoPE: three ways to tell attention, which sees a set of tokens, in what order they came.
//
//   learned      x_t + P[m]                             a table P [positions, D], one row for each position m
//   sinusoidal   x_t + p(m)                             p(m)_{2j}   = sin(m / 10000^(2j/D))
//                                                       p(m)_{2j+1} = cos(m / 10000^(2j/D)),  j = 0 … D/2 - 1
//   T5's bias    score(m, n) + B[bucket(n - m), h]      query at m, key at n, head h; a table B [32, H]
//
// Learned: Convolutional Sequence to Sequence Learning (Gehring et al. 2017), then GPT and BERT. Its context is fixed:
// there is no row for the position after the last. Sinusoidal: Attention Is All You Need (Vaswani et al. 2017),
// section 3.5; it has a vector for any position. T5's relative position bias: Exploring the Limits of Transfer Learning
// with a Unified Text-to-Text Transformer (Raffel et al. 2019); it knows the distance only, and adds nothing to x.
//
// T5's buckets: half of them hold one distance each, the other half grow logarithmically up to distance 128, and the
// last one takes all that is farther. With E distances of their own and B buckets in all, at distance n:
//
//   bucket(n) = n                                             n < E
//             = E + floor((B - E) ln(n/E) / ln(128/E))        E ≤ n, at most B - 1
//
// A decoder sees the past only and spends B = 32 buckets on it; an encoder spends 16 on each side. E = B/2.
//
// What Gemma does differently from the papers: none of the three. It turns queries and keys by RoPE, whose frequencies
// are those of the sinusoids; see rope.hpp.
//
// Trace points of add_positions: .positions [T, D], and the scope itself [T, D] for the sum.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>

namespace gemma {

/// Rows first_position … first_position + T - 1 of a learned table [positions, D]: [T, D]. Throws an Error when the
/// table ends before.
Matrix learned_positions(const Matrix& table, std::size_t first_position, std::size_t tokens);

/// The sinusoids of T positions in a row: [T, D]. Throws an Error when D is odd.
Matrix sinusoidal_positions(std::size_t first_position, std::size_t tokens, std::size_t hidden_size);

/// x + positions, both [T, D]. Throws an Error when they do not fit.
Matrix add_positions(Matrix x, Matrix positions, Trace trace = {});

constexpr std::size_t t5_buckets = 32;
constexpr std::size_t t5_max_distance = 128;

/// What a query sees: keys up to itself (a decoder), or keys on both sides (an encoder).
enum class Sight { causal, bidirectional };

/// The bucket, 0 … 31, of a key `offset` positions after the query; before it, offset is negative. Causal: keys after
/// the query fall into bucket 0 and must be masked. Bidirectional: 0 … 15 up to the query, 16 … 31 after it.
std::size_t t5_bucket(std::ptrdiff_t offset, Sight sight);

/// What T5 adds to the scores [H, T, S] of T queries, the last of S tokens: entry (h, t, s) is table(bucket, h) for a
/// learned table [32, H]. Throws an Error when the table does not have 32 rows or S < T.
Tensor3 t5_position_bias(const Matrix& table, std::size_t T, std::size_t S, Sight sight);

}  // namespace gemma
