// Memory that a thread uses again in every product, so that none is asked of the system while the model runs.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace gemma {

/// Grows when more is asked for than ever before; is not cleared; starts at a cache line, as wide vectors want it.
template <typename T>
class Scratch {
public:
    T* get(std::size_t count) {
        if (count > capacity_) {
            memory_.reset();
            memory_.reset(static_cast<T*>(::operator new(count * sizeof(T), line)));
            capacity_ = count;
        }
        return memory_.get();
    }

private:
    static constexpr std::align_val_t line{64};

    struct Free {
        void operator()(T* memory) const { ::operator delete(memory, line); }
    };

    std::unique_ptr<T, Free> memory_{};
    std::size_t capacity_ = 0;
};

}  // namespace gemma
