#include "gemma/trace/first_not_finite.hpp"

#include "gemma/checkpoint/finite.hpp"

namespace gemma {

void FirstNotFinite::observe(const std::string& name, const TensorView& tensor) {
    const auto* const data = reinterpret_cast<const std::byte*>(tensor.data);
    if (name_.empty() && not_finite(data, DType::float32, tensor.size()).count > 0) name_ = name;
    if (next_ != nullptr) next_->observe(name, tensor);
}

}  // namespace gemma
