// SPDX-License-Identifier: GPL-3.0-or-later
// TensorBoard's file is a convenience: when it cannot be written the run goes on without it and
// says so once.
#include "engine/train/run_log.h"

#include "engine/base/log.h"

namespace luthier {

Status RunLog::flush() {
  if (torn_ && (!lines_.empty() || !events_.empty())) {
    LUTHIER_CHECK(folder_.cut_records_after(
        std::max(written_step_, manifest_.step)));  // takes the broken end away
    torn_ = false;
  }
  while (!lines_.empty()) {
    if (const Status status = folder_.append_metrics(lines_.front()); !status) {
      torn_ = true;
      return status.error();
    }
    tensorboard(lines_.front());
    written_step_ = lines_.front().step;
    lines_.pop_front();
  }
  while (!events_.empty()) {
    if (const Status status = folder_.append_event(events_.front()); !status) {
      torn_ = true;
      return status.error();
    }
    events_.pop_front();
  }
  return {};
}

Status RunLog::write_state(RunState state) {
  manifest_.state = state;
  return folder_.write_manifest(manifest_);
}

void RunLog::tensorboard(const MetricsLine& line) {
  if (board_failed_) return;
  const auto check = [this](const Status& status) {
    if (status || board_failed_) return;
    board_failed_ = true;
    log_warning("TensorBoard's event file cannot be written: " + status.error().sentence());
  };
  if (!board_) {
    auto created = TensorboardWriter::create(folder_.path());
    if (!created) return check(created.error());
    board_ = created.take();
  }
  check(board_->add_scalar("train/loss", line.loss, line.step));
  check(board_->add_scalar("train/grad_norm", line.grad_norm, line.step));
  check(board_->add_scalar("train/learning_rate", line.learning_rate, line.step));
  check(board_->add_scalar("train/tokens_per_second", line.tokens_per_second, line.step));
  check(board_->add_scalar("memory/peak", static_cast<double>(line.memory.peak), line.step));
  if (line.eval_loss) check(board_->add_scalar("eval/loss", *line.eval_loss, line.step));
  for (const auto& [name, value] : line.figures) {
    const std::string tag = name.starts_with("eval_") ? "eval/" + name.substr(5) : "train/" + name;
    check(board_->add_scalar(tag, value, line.step));
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - board_flushed_ < std::chrono::seconds(2)) return;
  board_flushed_ = now;
  check(board_->flush());
}

}  // namespace luthier
