// SPDX-License-Identifier: GPL-3.0-or-later
// Keys in the order in which to_json puts them, and nothing between them.
#include "engine/runs/metrics_file.h"

#include <charconv>
#include <limits>

namespace luthier {

namespace {

/// Reads on from where it stands; once something is not as written it stays broken.
class LineCursor {
 public:
  explicit LineCursor(std::string_view text) : rest_(text) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  bool take(std::string_view expected) {
    if (!ok_ || !rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  void need(std::string_view expected) { ok_ = take(expected) && ok_; }
  void integer(std::string_view key, std::int64_t& value) {
    need(key);
    number(value);
  }
  void real(std::string_view key, double& value) {
    need(key);
    real_value(value);
  }
  void real_value(double& value) {
    if (take("null"))
      value = std::numeric_limits<double>::quiet_NaN();
    else
      number(value);
  }
  /// A key without anything escaped in it; the quote before it is taken already.
  std::string_view name() {
    const std::size_t end = rest_.find('"');
    const std::string_view found = rest_.substr(0, end);
    ok_ = ok_ && end != std::string_view::npos && found.size() < 200;
    for (const char letter : found)
      ok_ = ok_ && letter != '\\' && static_cast<signed char>(letter) >= ' ';
    if (ok_) rest_.remove_prefix(end + 1);
    return found;
  }

 private:
  template <class Number>
  void number(Number& value) {
    // JSON asks for a digit at either side of a point and for no 0 before another digit; from_chars
    // does not.
    const std::size_t first = rest_.starts_with('-') ? 1 : 0;
    ok_ = ok_ && is_digit(first) && !(rest_[first] == '0' && is_digit(first + 1));
    if (!ok_) return;
    const char* const end = rest_.data() + rest_.size();
    const auto [stop, fault] = std::from_chars(rest_.data(), end, value);
    const auto taken = static_cast<std::size_t>(stop - rest_.data());
    const std::size_t point = rest_.substr(0, taken).find('.');
    ok_ = fault == std::errc() && (point == std::string_view::npos || is_digit(point + 1));
    if (ok_) rest_.remove_prefix(taken);
  }

  bool is_digit(std::size_t at) const {
    return at < rest_.size() && rest_[at] >= '0' && rest_[at] <= '9';
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::optional<MetricsLine> read_own_metrics_line(std::string_view text) {
  MetricsLine line;
  LineCursor at(text);
  at.integer("{\"step\":", line.step);
  at.real(",\"epoch\":", line.epoch);
  at.real(",\"loss\":", line.loss);
  at.real(",\"grad_norm\":", line.grad_norm);
  at.real(",\"learning_rate\":", line.learning_rate);
  at.integer(",\"tokens\":", line.tokens);
  at.real(",\"tokens_per_second\":", line.tokens_per_second);
  at.real(",\"step_seconds\":", line.step_seconds);
  at.integer(",\"memory\":{\"weights\":", line.memory.weights);
  at.integer(",\"adapter\":", line.memory.adapter);
  at.integer(",\"gradients\":", line.memory.gradients);
  at.integer(",\"optimizer\":", line.memory.optimizer);
  at.integer(",\"activations\":", line.memory.activations);
  at.integer(",\"allocated\":", line.memory.allocated);
  at.integer(",\"reserved\":", line.memory.reserved);
  at.integer(",\"peak\":", line.memory.peak);
  at.integer(",\"rss\":", line.memory.rss);
  at.need("}");
  if (at.take(",\"eval_loss\":")) {
    double loss = 0;
    at.real_value(loss);
    line.eval_loss = loss;
  }
  static const Json fields = to_json(MetricsLine());
  while (at.ok() && at.take(",\"")) {
    const std::string name(at.name());
    double value = 0;
    at.need(":");
    at.real_value(value);
    // A key twice is no document that the other way would take.
    if (fields.contains(name) || name == "eval_loss" || line.figures.contains(name)) return {};
    line.figures[name] = value;
  }
  at.need("}");
  if (!at.ok() || !at.at_end()) return {};
  return line;
}

}  // namespace luthier
