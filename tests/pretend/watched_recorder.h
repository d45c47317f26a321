// SPDX-License-Identifier: GPL-3.0-or-later
// The device's own recorder, counted; or one that cannot record. And the log's lines.
#pragma once

#include <string>
#include <vector>

#include "engine/base/log.h"
#include "engine/device/graph.h"

namespace luthier::pretend {

class Watched : public GraphRecorder {
 public:
  explicit Watched(bool refuses = false)
      : own_(*graph_recorder(c10::DeviceType::PrivateUse1)), refuses_(refuses) {
    set_graph_recorder(c10::DeviceType::PrivateUse1, this);
  }
  ~Watched() override { set_graph_recorder(c10::DeviceType::PrivateUse1, &own_); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  std::shared_ptr<GraphMemory> make_memory() override { return own_.make_memory(); }
  void warm_up(torch::Device device, const std::function<void()>& work) override {
    own_.warm_up(device, work);
  }
  std::unique_ptr<Recording> record(torch::Device device, const std::function<void()>& work,
                                    const std::shared_ptr<GraphMemory>& memory) override {
    ++asked;
    TORCH_CHECK(!refuses_, "the device holds no graphs");
    auto made = own_.record(device, work, memory);
    ++recorded;
    return made;
  }
  int asked = 0, recorded = 0;

 private:
  GraphRecorder& own_;
  bool refuses_;
};

/// Lines of the log while one stands.
class Listener {
 public:
  Listener() {
    set_log_sink([this](LogLevel, const std::string& line) { lines.push_back(line); });
  }
  ~Listener() { set_log_sink({}); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int count(const std::string& part) const {
    int found = 0;
    for (const std::string& line : lines) found += line.find(part) != std::string::npos;
    return found;
  }
  std::vector<std::string> lines;
};

}  // namespace luthier::pretend
