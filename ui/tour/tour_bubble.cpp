// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/tour/tour_bubble.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/wrapped_text.h"

namespace luthier {

namespace {
constexpr int kBubbleWidth = 360, kGap = 10, kEdge = 8;
}

class TourBubble::Ring : public QWidget {
 public:
  explicit Ring(QWidget* over) : QWidget(over) {
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setFocusPolicy(Qt::NoFocus);
    hide();
  }

 protected:
  void paintEvent(QPaintEvent*) override {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(QPen(colours().accent, 3));
    p.drawRoundedRect(QRectF(rect()).adjusted(2, 2, -2, -2), 8, 8);
  }
};

TourBubble::TourBubble(QWidget* over) : QFrame(over), over_(over), ring_(new Ring(over)) {
  setObjectName(QStringLiteral("tourBubble"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(14, 10, 14, 12);
  layout->setSpacing(6);
  auto* head = new QHBoxLayout;
  title_ = new QLabel(this);
  title_->setFont(scaled_font(1.1, true));
  head->addWidget(title_, 1);
  count_ = muted_label(this);
  count_->setWordWrap(false);
  head->addWidget(count_);
  layout->addLayout(head);
  text_ = new WrappedText(this);
  text_->setObjectName(QStringLiteral("tourText"));
  layout->addWidget(text_);
  auto* buttons = new QHBoxLayout;
  const auto button = [this](const char* name) {
    auto* made = new QPushButton(this);
    made->setObjectName(QLatin1String(name));
    return made;
  };
  end_ = button("tourEnd");
  back_ = button("tourBack");
  next_ = button("tourNext");
  buttons->addWidget(end_);
  buttons->addStretch(1);
  buttons->addWidget(back_);
  buttons->addWidget(next_);
  layout->addLayout(buttons);
  connect(next_, &QPushButton::clicked, this, &TourBubble::next_asked);
  connect(back_, &QPushButton::clicked, this, &TourBubble::back_asked);
  connect(end_, &QPushButton::clicked, this, &TourBubble::end_asked);
  on_language(this, [this] {
    end_->setText(tr("End the tour"));
    back_->setText(tr("Back"));
  });
  hide();
}

TourBubble::~TourBubble() { delete ring_; }

void TourBubble::show_step(const QString& title, const QString& text, QWidget* about, int step,
                           int steps) {
  about_ = about;
  title_->setText(title);
  count_->setText(QStringLiteral("%1 / %2").arg(step + 1).arg(steps));
  back_->setEnabled(step > 0);
  setAccessibleName(title);
  set_text(text);
  show();
  place();
  next_->setFocus();
}

void TourBubble::set_text(const QString& text) {
  if (text_->text() == text) return;
  text_->set_text(text);
  setAccessibleDescription(text);
  place();
}

void TourBubble::set_next(const QString& label, bool enabled) {
  next_->setText(label);
  next_->setEnabled(enabled);
}

QString TourBubble::text() const { return text_->text(); }

void TourBubble::place() {
  const int width = std::min(scaled_length(kBubbleWidth), over_->width() - 2 * kEdge);
  layout()->activate();
  const int height = std::min(layout()->totalHeightForWidth(width), over_->height() - 2 * kEdge);
  QRect box((over_->width() - width) / 2, (over_->height() - height) / 2, width, height);
  const bool there = about_ && about_->isVisible();
  if (there) {
    const QRect thing(about_->mapTo(over_, QPoint(0, 0)), about_->size());
    // Beside it where there is room, the right side first; else over its lower right corner.
    const QRect room = over_->rect().adjusted(kEdge, kEdge, -kEdge, -kEdge);
    const int across = std::clamp(thing.center().x() - width / 2, room.left(),
                                  std::max(room.left(), room.right() + 1 - width));
    const int down =
        std::clamp(thing.top(), room.top(), std::max(room.top(), room.bottom() + 1 - height));
    const QPoint places[] = {{thing.right() + 1 + kGap, down},
                             {thing.left() - kGap - width, down},
                             {across, thing.bottom() + 1 + kGap},
                             {across, thing.top() - kGap - height}};
    box.moveTo(room.right() + 1 - width, room.bottom() + 1 - height);
    for (const QPoint& place : places) {
      if (!room.contains(QRect(place, box.size()))) continue;
      box.moveTo(place);
      break;
    }
    ring_->setGeometry(thing.adjusted(-4, -4, 4, 4));
    ring_->raise();
  }
  ring_->setVisible(there);
  setGeometry(box);
  raise();
}

void TourBubble::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  p.setPen(QPen(colours().accent, 2));
  p.setBrush(colours().card);
  p.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), 8, 8);
}

void TourBubble::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Escape)
    emit end_asked();
  else
    QFrame::keyPressEvent(event);
}

}  // namespace luthier
