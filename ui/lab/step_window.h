// SPDX-License-Identifier: GPL-3.0-or-later
// One step of the optimizer, slowly: the pair of a module's matrices before it, the gradients that
// come, how the pair moves, what that does to the weight, and the memory at each of these moments.
// The adapter is made for this and let go of again.
#pragma once

#include <QDialog>
#include <array>
#include <optional>

#include "ui/workspace.h"

class QComboBox;
class QLabel;
class QPushButton;
class QSpinBox;

namespace luthier {

class Legend;
class MatrixView;
class StackedBar;

class StepWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one of this window.
  static StepWindow* of(Workspace& workspace, QWidget* owner);
  void open_here();

  /// What is looked at, one after another.
  enum class Moment { Before, Backward, Update, After };
  static constexpr int kMoments = 4;

 private:
  StepWindow(Workspace& workspace, QWidget* owner);
  QWidget* make_head();
  QWidget* make_stage();
  void take_step();
  void show_step(const SlowStepTaken& event);
  void end(const RequestDone& event);
  void go(int moment);
  void render();
  void show_matrices();
  void show_memory();
  QString words() const;
  void say(const QString& text, bool wrong = false);
  void refresh();
  void retranslate();

  Workspace& workspace_;
  RequestId request_ = 0;
  std::optional<SlowStep> step_;
  int moment_ = 0;
  QLabel *row_label_, *before_label_, *module_label_, *note_, *title_, *words_, *memory_;
  QSpinBox *row_, *before_;
  QComboBox* module_;
  QPushButton *take_, *back_, *on_;
  std::array<QPushButton*, kMoments> moments_{};
  std::array<MatrixView*, 4> matrices_{};
  StackedBar* bar_;
  Legend* legend_;
};

}  // namespace luthier
