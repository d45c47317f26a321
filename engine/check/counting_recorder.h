// SPDX-License-Identifier: GPL-3.0-or-later
// A device's own recorder, and how often it was asked and could: what was launched in the place of
// a recording gives the same numbers, and would pass for one.
#pragma once

#include "engine/device/graph.h"

namespace luthier {

class CountingRecorder : public GraphRecorder {
 public:
  /// In the place of the device's own, which is there.
  explicit CountingRecorder(torch::Device device)
      : type_(device.type()),
        own_(*graph_recorder(type_)),
        before_(set_graph_recorder(type_, this)) {}
  ~CountingRecorder() override { set_graph_recorder(type_, before_); }
  CountingRecorder(const CountingRecorder&) = delete;
  CountingRecorder& operator=(const CountingRecorder&) = delete;

  std::shared_ptr<GraphMemory> make_memory() override { return own_.make_memory(); }
  void warm_up(torch::Device device, const std::function<void()>& work) override {
    own_.warm_up(device, work);
  }
  std::unique_ptr<Recording> record(torch::Device device, const std::function<void()>& work,
                                    const std::shared_ptr<GraphMemory>& memory) override {
    ++asked_;
    auto made = own_.record(device, work, memory);
    ++made_;
    return made;
  }
  bool asked() const { return asked_ > 0; }
  bool recorded_all() const { return asked_ > 0 && made_ == asked_; }

 private:
  c10::DeviceType type_;
  GraphRecorder& own_;
  GraphRecorder* before_;
  int asked_ = 0, made_ = 0;
};

}  // namespace luthier
