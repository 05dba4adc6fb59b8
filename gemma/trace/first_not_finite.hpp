// Where the first number that is none comes from: everything computed from it is NaN, too.
#pragma once

#include "gemma/trace/trace.hpp"

#include <string>

namespace gemma {

/// Hands every tensor on, and keeps the name of the first one that holds NaN or infinity.
class FirstNotFinite : public Observer {
public:
    explicit FirstNotFinite(Observer* next = nullptr) : next_(next) {}

    void observe(const std::string& name, const TensorView& tensor) override;

    /// Empty: all numbers were finite.
    const std::string& name() const { return name_; }

private:
    Observer* next_;
    std::string name_{};
};

}  // namespace gemma
