// SPDX-License-Identifier: GPL-3.0-or-later
// A run's sample questions with the answers that it gave as it learned: one step at a time,
// scrubbed by a slider or by the mouse over the curves, with the words marked that changed since
// the step before. Who goes back stays there until they go to the newest again.
#pragma once

#include <QWidget>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/sample_log.h"

class QLabel;
class QScrollArea;
class QSlider;
class QStackedWidget;
class QToolButton;

namespace luthier {

class SampleFeed;

class Filmstrip : public QWidget {
  Q_OBJECT

 public:
  explicit Filmstrip(QWidget* parent = nullptr);

  void set_run(const std::filesystem::path& folder);
  void follow(bool on);
  /// Whether the run has answered anything.
  bool has_frames() const;
  /// The last frame at or before this step.
  void show_step(std::int64_t step);

 signals:
  /// A person went to this step with the slider.
  void step_chosen(std::int64_t step);
  /// There is something to show now, or no more.
  void filled();
  void failed(const luthier::Error& error);

 private:
  struct Row {
    std::int64_t sample;
    QString expected;
    QLabel* answer;
  };

  QWidget* make_head();
  void take_news();
  void make_rows();
  QWidget* make_row(const SampleQuestion& question);
  void show_frame(int place);
  QString answer_html(int place, const Row& row) const;
  const SampleAnswer* answer_of(int place, std::int64_t sample) const;
  void refresh();

  SampleFeed* feed_;
  QStackedWidget* stack_;
  QLabel *empty_, *place_text_;
  QToolButton *before_ = nullptr, *behind_ = nullptr, *newest_ = nullptr;
  QSlider* slider_ = nullptr;
  QScrollArea* scroll_;
  std::vector<Row> rows_;
  int place_ = -1;
  bool follows_ = true;
};

}  // namespace luthier
