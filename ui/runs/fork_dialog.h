// SPDX-License-Identifier: GPL-3.0-or-later
// A new run that begins with a checkpoint of another: which checkpoint, what is set otherwise, and
// whether the optimizer's state goes with it; or a finished run asked for more steps, and how that
// differs from having asked from the start.
#pragma once

#include <QDialog>

#include "engine/session/fork_run.h"
#include "ui/workspace.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace luthier {

class Banner;
class SettingRows;

class ForkDialog : public QDialog {
  Q_OBJECT

 public:
  enum class Kind { Fork, MoreSteps };

  /// `recipe`: the parent's.
  ForkDialog(Workspace& workspace, Kind kind, const std::filesystem::path& parent_run,
             const Recipe& recipe, QWidget* parent = nullptr);

 signals:
  /// The new run's folder is there; `start`: and it is to be started.
  void forked(const QString& folder, bool start);

 private:
  void retranslate();
  void refresh();
  void make(bool start);
  Result<ForkOrder> order() const;

  Workspace& workspace_;
  const Kind kind_;
  const std::filesystem::path run_;
  const Recipe recipe_;
  RunManifest manifest_;
  bool busy_ = false;
  QLabel *title_, *name_label_, *step_label_, *settings_label_, *note_;
  QLineEdit* name_;
  QComboBox* step_;
  QSpinBox* more_;
  QCheckBox* carry_;
  SettingRows* settings_;
  Banner* banner_;
  QPushButton *cancel_, *fork_, *start_;
};

}  // namespace luthier
