// What goes wrong in RMSNorm: y = x / √(mean_square + eps) · (1 + w).
#include "gemma/diagnose/edits.hpp"

#include <cmath>

namespace gemma {

namespace {

using Formula = float (*)(float a, float b);

// y = x · factor(mean_square, eps)
Edits normalized(Formula factor) {
    return {{StepEdit::computes, "norm.normalized", [factor](const Seen& seen, const TensorView& y) {
                 Matrix x = seen.x();
                 const Vector mean_square = seen.vector("norm.mean_square");
                 for (std::size_t t = 0; t < x.shape(0); ++t) {
                     const float scale = factor(mean_square(t), seen.config().rms_norm_eps);
                     for (std::size_t i = 0; i < x.shape(1); ++i) x(t, i) *= scale;
                 }
                 assign(y, x);
             }}};
}

void weigh(const Seen& seen, const TensorView& y, const Vector& w, Formula formula) {
    Matrix x = seen.matrix("norm.normalized");
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t i = 0; i < x.shape(1); ++i) x(t, i) = formula(x(t, i), w(i));
    }
    assign(y, x);
}

// y = formula(normalized x, w)
Edits weighed(Formula formula) {
    return {{StepEdit::computes, "norm",
             [formula](const Seen& seen, const TensorView& y) { weigh(seen, y, seen.norm_weight(), formula); }}};
}

// LayerNorm's variance in the place of the mean square, and (x - mean) in that of x.
Edits layer_norm() {
    const auto centered = [](const Seen& seen) {
        Matrix x = seen.x();
        for (std::size_t t = 0; t < x.shape(0); ++t) {
            double sum = 0;
            for (std::size_t i = 0; i < x.shape(1); ++i) sum += static_cast<double>(x(t, i));
            const float mean = static_cast<float>(sum / static_cast<double>(x.shape(1)));
            for (std::size_t i = 0; i < x.shape(1); ++i) x(t, i) -= mean;
        }
        return x;
    };
    const auto variance = [centered](const Seen& seen, const TensorView& y) {
        const Matrix x = centered(seen);
        for (std::size_t t = 0; t < x.shape(0); ++t) {
            double squares = 0;
            for (std::size_t i = 0; i < x.shape(1); ++i) squares += static_cast<double>(x(t, i)) * x(t, i);
            y.data[t] = static_cast<float>(squares / static_cast<double>(x.shape(1)));
        }
    };
    const auto divided = [centered](const Seen& seen, const TensorView& y) {
        Matrix x = centered(seen);
        const Vector variance = seen.vector("norm.mean_square");
        for (std::size_t t = 0; t < x.shape(0); ++t) {
            const float scale = 1.0f / std::sqrt(variance(t) + seen.config().rms_norm_eps);
            for (std::size_t i = 0; i < x.shape(1); ++i) x(t, i) *= scale;
        }
        assign(y, x);
    };
    return {{StepEdit::computes, "norm.mean_square", variance}, {StepEdit::computes, "norm.normalized", divided}};
}

// The weights of the two norms of a layer change places.
Edits swapped() {
    return {{StepEdit::computes, "norm", [](const Seen& seen, const TensorView& y) {
                 weigh(seen, y, seen.other_norm_weight(), [](float x, float w) { return x * (1.0f + w); });
             }}};
}

}  // namespace

std::vector<KnownMistake> norm_mistakes() {
    const std::string norm = "model.layers.0.input_layernorm", inner = norm + ".normalized";
    const std::string fixing = "Fixing Gemma Bugs (D. Han, M. Han 2024)";
    return {
        {{"norm-layernorm", "LayerNorm, which subtracts the mean, in place of RMSNorm", norm + ".mean_square",
          "Layer Normalization (Ba, Kiros, Hinton 2016), as in GPT-2"},
         layer_norm()},
        {{"norm-eps-1e-5", "eps is 1e-5 and not 1e-6", inner, "Llama 2's config.json"},
         normalized([](float mean_square, float) { return 1.0f / std::sqrt(mean_square + 1e-5f); })},
        {{"norm-eps-missing", "no eps", inner, "the formula in Root Mean Square Layer Normalization has none"},
         normalized([](float mean_square, float) { return 1.0f / std::sqrt(mean_square); })},
        {{"norm-eps-outside", "eps added to the root and not under it", inner, "a slip of a parenthesis"},
         normalized([](float mean_square, float eps) { return 1.0f / (std::sqrt(mean_square) + eps); })},
        {{"norm-weight-plain", "the weight w in place of 1 + w", norm, "Llama's RMSNorm"},
         weighed([](float x, float w) { return x * w; })},
        {{"norm-weight-twice", "1 added to the weight twice, so that it is 2 + w", norm,
          "GGUF files hold 1 + w already; the code adds 1 again"},
         weighed([](float x, float w) { return x * (2.0f + w); })},
        {{"norm-weight-bfloat16", "1 + w rounded to bfloat16", norm, fixing},
         weighed([](float x, float w) { return x * to_bfloat16(1.0f + w); })},
        {{"norm-cast-early", "rounded to bfloat16 before the weight and not after it", norm, "Llama's RMSNorm"},
         weighed([](float x, float w) { return to_bfloat16(x) * (1.0f + w); }),
         {},
         true},
        {{"norm-weight-missing", "no weight at all", norm, "weights that were not loaded and stayed 0"},
         weighed([](float x, float) { return x; })},
        {{"norm-weights-swapped", "the layer's two norms have each other's weights", norm, "a mixed-up name"},
         swapped()},
    };
}

}  // namespace gemma
