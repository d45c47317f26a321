// SPDX-License-Identifier: GPL-3.0-or-later
// The composer: a picture tower, a connector and a language model, from checkpoints or small from
// nothing. What they come to is drawn before anything is written; the checkpoint that is written
// can be opened, and so can the recipe of the stages that its paper trains it in.
#pragma once

#include <QDialog>
#include <atomic>
#include <filesystem>
#include <memory>

#include "engine/lab/compose/composition.h"
#include "ui/workspace.h"

class QComboBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QListWidget;
class QProgressBar;
class QPushButton;
class QSpinBox;
class QTableWidget;
class QTimer;

namespace luthier {

class Card;
class ComposeDrawing;

class ComposeWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one of this window. `home`: where a first composition is put.
  static ComposeWindow* of(Workspace& workspace, const std::filesystem::path& home, QWidget* owner);
  ~ComposeWindow() override;
  void open_here();

 private:
  ComposeWindow(Workspace& workspace, const std::filesystem::path& home, QWidget* owner);
  QWidget* make_order();
  QWidget* make_drawing();
  QWidget* make_parts();
  /// A folder to be chosen, or "small".
  QWidget* make_half(QLineEdit*& field, QPushButton*& choose, const char* name);
  ComposeOrder order() const;
  void plan();
  void show_plan(Result<Composition> planned);
  void show_stage(int stage);
  void compose();
  void written(const Result<Composition>& made);
  void open_model();
  void open_stages();
  void say(const QString& text, bool wrong = false);
  void refresh();
  void retranslate();

  Workspace& workspace_;
  std::filesystem::path home_;
  QTimer* soon_;
  unsigned asked_ = 0;  ///< plans, of which the newest is shown
  std::optional<Composition> plan_;
  std::filesystem::path written_;  ///< the checkpoint that was written last
  /// Of what is being written: its share, and whether to go on. Null: nothing is.
  struct Writing {
    std::atomic<double> share = 0;
    std::atomic<bool> stopped = false;
  };
  std::shared_ptr<Writing> writing_;

  Card *drawn_, *stages_card_;
  ComposeDrawing* drawing_;
  QFormLayout* form_;
  QLabel *tower_label_, *connector_label_, *language_label_, *queries_label_, *every_label_,
      *seed_label_, *out_label_, *connector_says_, *note_, *sums_, *stage_says_;
  QLineEdit *tower_, *language_, *out_;
  QPushButton *choose_tower_, *choose_language_, *compose_, *stop_, *open_model_, *open_stages_;
  QComboBox* connector_;
  QSpinBox *queries_, *every_, *seed_;
  QTableWidget* parts_;
  QListWidget* stages_;
  QProgressBar* progress_;
};

}  // namespace luthier
