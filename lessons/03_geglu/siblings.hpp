// The gated units of this lesson, and what they were worth in the paper's table.
#pragma once

#include "gemma/components/geglu.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace lesson {

struct Sibling {
    std::string name, formula;
    gemma::Gate gate;
    double (*activation)(double);  // in double precision: what the library is held against
};
inline const std::vector<Sibling> siblings = {
    {"GLU", "σ(a) ⊗ b", gemma::Gate::sigmoid, [](double a) { return 1.0 / (1.0 + std::exp(-a)); }},
    {"bilinear", "a ⊗ b", gemma::Gate::identity, [](double a) { return a; }},
    {"ReGLU", "max(a, 0) ⊗ b", gemma::Gate::relu, [](double a) { return std::max(a, 0.0); }},
    {"GEGLU", "gelu(a) ⊗ b", gemma::Gate::gelu,
     [](double a) {
         return a / 2.0 * (1.0 + std::tanh(std::sqrt(2.0 / 3.141592653589793) * (a + 0.044715 * a * a * a)));
     }},
    {"SwiGLU", "a σ(a) ⊗ b", gemma::Gate::swish, [](double a) { return a / (1.0 + std::exp(-a)); }}};

/// A row of table 1 of GLU Variants Improve Transformer (Shazeer 2020).
struct Measured {
    std::string name, matrices;
    double early, late;  // log-perplexity after 65,536 and 524,288 steps
};
inline const std::vector<Measured> shazeer = {{"ReLU", "two", 1.997, 1.677},    {"GELU", "two", 1.983, 1.679},
                                              {"GLU", "three", 1.982, 1.663},   {"bilinear", "three", 1.960, 1.648},
                                              {"ReGLU", "three", 1.953, 1.645}, {"SwiGLU", "three", 1.944, 1.636},
                                              {"GEGLU", "three", 1.942, 1.633}};

}  // namespace lesson
