// RMSNorm in bfloat16: rounding at chosen places, and how far the result is from the formula.
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

namespace lesson {

inline float to_bfloat16(float number) { return gemma::bfloat16_to_float(gemma::float_to_bfloat16(number)); }
inline float to_float16(float number) { return gemma::float16_to_float(gemma::float_to_float16(number)); }

inline gemma::Matrix in_bfloat16(gemma::Matrix matrix) {
    for (float& number : matrix) number = to_bfloat16(number);
    return matrix;
}

// Changes one tensor inside a norm while it is computed, as a program does that computes it in another format.
class Inside : public gemma::Observer {
public:
    Inside(std::string name, std::function<float(float)> change) : name_(std::move(name)), change_(std::move(change)) {}

    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        if (name == name_) std::transform(tensor.data, tensor.data + tensor.size(), tensor.data, change_);
    }

private:
    std::string name_;
    std::function<float(float)> change_;
};

// The mean square of a row, each sum rounded to bfloat16.
inline float mean_square_in_bfloat16(const gemma::Matrix& x) {
    float sum = 0.0f;
    for (const float number : x) sum = to_bfloat16(sum + to_bfloat16(number * number));
    return to_bfloat16(sum / static_cast<float>(x.size()));
}

struct Precision {
    double worst = 0;    // relative error of a number
    double average = 0;  // of its size
};

// How far y, the norm of a row x, is from the formula in double precision.
inline Precision precision_of(const gemma::Matrix& x, const gemma::Vector& w, float eps, const gemma::Matrix& y) {
    const auto D = static_cast<double>(x.size());
    double squares = 0;
    for (const float number : x) squares += static_cast<double>(number) * number;
    const double root = std::sqrt(squares / D + static_cast<double>(eps));
    Precision precision;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double right = x(0, i) / root * (1.0 + static_cast<double>(w(i)));
        const double error = std::fabs(y(0, i) / right - 1);
        precision.worst = std::max(precision.worst, error);
        precision.average += error / D;
    }
    return precision;
}

}  // namespace lesson
