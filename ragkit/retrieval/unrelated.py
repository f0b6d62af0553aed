"""Everyday questions that few collections are about: what is found for them is found by chance.

The same twelve in many languages, since chance depends on the words that a language repeats.
"""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["UNRELATED"]

UNRELATED = MappingProxyType(
    {
        "en": """
            How long does an egg take to boil?
            Which planet has the most moons?
            How do I get red wine out of a carpet?
            When should tomatoes be planted in the garden?
            Why do cats purr?
            Who painted the Mona Lisa?
            How many strings does a violin have?
            What do hedgehogs eat in winter?
            How is cheese made from milk?
            Why is the sea salty?
            How do I knit a scarf?
            Which bird flies the highest?""",
        "de": """
            Wie lange muss ein Ei kochen?
            Welcher Planet hat die meisten Monde?
            Wie bekomme ich Rotwein aus dem Teppich?
            Wann pflanzt man Tomaten in den Garten?
            Warum schnurren Katzen?
            Wer hat die Mona Lisa gemalt?
            Wie viele Saiten hat eine Geige?
            Was fressen Igel im Winter?
            Wie wird aus Milch Käse gemacht?
            Warum ist das Meer salzig?
            Wie stricke ich einen Schal?
            Welcher Vogel fliegt am höchsten?""",
        "fr": """
            Combien de temps faut-il pour cuire un œuf ?
            Quelle planète a le plus de lunes ?
            Comment enlever une tache de vin rouge d'un tapis ?
            Quand faut-il planter les tomates au jardin ?
            Pourquoi les chats ronronnent-ils ?
            Qui a peint la Joconde ?
            Combien de cordes a un violon ?
            Que mangent les hérissons en hiver ?
            Comment fait-on du fromage avec du lait ?
            Pourquoi la mer est-elle salée ?
            Comment tricoter une écharpe ?
            Quel oiseau vole le plus haut ?""",
        "es": """
            ¿Cuánto tarda en cocerse un huevo?
            ¿Qué planeta tiene más lunas?
            ¿Cómo se quita el vino tinto de una alfombra?
            ¿Cuándo se plantan los tomates en el huerto?
            ¿Por qué ronronean los gatos?
            ¿Quién pintó la Mona Lisa?
            ¿Cuántas cuerdas tiene un violín?
            ¿Qué comen los erizos en invierno?
            ¿Cómo se hace el queso con leche?
            ¿Por qué es salado el mar?
            ¿Cómo se teje una bufanda?
            ¿Qué pájaro vuela más alto?""",
        "it": """
            Quanto tempo serve per bollire un uovo?
            Quale pianeta ha più lune?
            Come si toglie il vino rosso da un tappeto?
            Quando si piantano i pomodori nell'orto?
            Perché i gatti fanno le fusa?
            Chi ha dipinto la Gioconda?
            Quante corde ha un violino?
            Cosa mangiano i ricci in inverno?
            Come si fa il formaggio dal latte?
            Perché il mare è salato?
            Come si lavora a maglia una sciarpa?
            Quale uccello vola più in alto?""",
        "pt": """
            Quanto tempo leva um ovo para cozinhar?
            Qual planeta tem mais luas?
            Como tirar vinho tinto de um tapete?
            Quando se plantam tomates na horta?
            Por que os gatos ronronam?
            Quem pintou a Mona Lisa?
            Quantas cordas tem um violino?
            O que comem os ouriços no inverno?
            Como se faz queijo com leite?
            Por que o mar é salgado?
            Como se tricota um cachecol?
            Qual pássaro voa mais alto?""",
        "nl": """
            Hoe lang moet een ei koken?
            Welke planeet heeft de meeste manen?
            Hoe krijg ik rode wijn uit een tapijt?
            Wanneer plant je tomaten in de tuin?
            Waarom spinnen katten?
            Wie heeft de Mona Lisa geschilderd?
            Hoeveel snaren heeft een viool?
            Wat eten egels in de winter?
            Hoe wordt kaas van melk gemaakt?
            Waarom is de zee zout?
            Hoe brei ik een sjaal?
            Welke vogel vliegt het hoogst?""",
        "sv": """
            Hur länge ska ett ägg koka?
            Vilken planet har flest månar?
            Hur får jag bort rödvin från en matta?
            När planterar man tomater i trädgården?
            Varför spinner katter?
            Vem målade Mona Lisa?
            Hur många strängar har en fiol?
            Vad äter igelkottar på vintern?
            Hur gör man ost av mjölk?
            Varför är havet salt?
            Hur stickar jag en halsduk?
            Vilken fågel flyger högst?""",
        "da": """
            Hvor længe skal et æg koge?
            Hvilken planet har flest måner?
            Hvordan får jeg rødvin ud af et tæppe?
            Hvornår planter man tomater i haven?
            Hvorfor spinder katte?
            Hvem malede Mona Lisa?
            Hvor mange strenge har en violin?
            Hvad spiser pindsvin om vinteren?
            Hvordan laver man ost af mælk?
            Hvorfor er havet salt?
            Hvordan strikker jeg et halstørklæde?
            Hvilken fugl flyver højest?""",
        "no": """
            Hvor lenge må et egg koke?
            Hvilken planet har flest måner?
            Hvordan får jeg rødvin ut av et teppe?
            Når planter man tomater i hagen?
            Hvorfor maler katter?
            Hvem malte Mona Lisa?
            Hvor mange strenger har en fiolin?
            Hva spiser pinnsvin om vinteren?
            Hvordan lages ost av melk?
            Hvorfor er havet salt?
            Hvordan strikker jeg et skjerf?
            Hvilken fugl flyr høyest?""",
        "pl": """
            Jak długo gotuje się jajko?
            Która planeta ma najwięcej księżyców?
            Jak usunąć czerwone wino z dywanu?
            Kiedy sadzi się pomidory w ogrodzie?
            Dlaczego koty mruczą?
            Kto namalował Mona Lisę?
            Ile strun mają skrzypce?
            Co jedzą jeże zimą?
            Jak robi się ser z mleka?
            Dlaczego morze jest słone?
            Jak zrobić szalik na drutach?
            Który ptak lata najwyżej?""",
        "ru": """
            Сколько времени варится яйцо?
            У какой планеты больше всего лун?
            Как вывести красное вино с ковра?
            Когда сажать помидоры в саду?
            Почему кошки мурлыкают?
            Кто написал Мону Лизу?
            Сколько струн у скрипки?
            Что едят ежи зимой?
            Как делают сыр из молока?
            Почему море солёное?
            Как связать шарф?
            Какая птица летает выше всех?""",
        "uk": """
            Скільки часу вариться яйце?
            У якої планети найбільше місяців?
            Як вивести червоне вино з килима?
            Коли садити помідори в саду?
            Чому коти муркочуть?
            Хто намалював Мону Лізу?
            Скільки струн у скрипки?
            Що їдять їжаки взимку?
            Як роблять сир з молока?
            Чому море солоне?
            Як зв'язати шарф?
            Який птах літає найвище?""",
        "tr": """
            Bir yumurta ne kadar sürede haşlanır?
            Hangi gezegenin en çok uydusu var?
            Halıdan kırmızı şarap lekesi nasıl çıkar?
            Bahçeye domates ne zaman dikilir?
            Kediler neden mırlar?
            Mona Lisa'yı kim çizdi?
            Kemanın kaç teli vardır?
            Kirpiler kışın ne yer?
            Sütten peynir nasıl yapılır?
            Deniz neden tuzludur?
            Atkı nasıl örülür?
            En yüksekten uçan kuş hangisidir?""",
        "ar": """
            كم من الوقت يحتاج سلق البيضة؟
            أي كوكب له أكبر عدد من الأقمار؟
            كيف أزيل بقعة النبيذ الأحمر من السجادة؟
            متى تزرع الطماطم في الحديقة؟
            لماذا تخرخر القطط؟
            من رسم الموناليزا؟
            كم وترا في الكمان؟
            ماذا تأكل القنافذ في الشتاء؟
            كيف يصنع الجبن من الحليب؟
            لماذا البحر مالح؟
            كيف أحيك وشاحا؟
            ما الطائر الذي يطير أعلى من غيره؟""",
        "hi": """
            अंडा उबालने में कितना समय लगता है?
            किस ग्रह के सबसे ज़्यादा चाँद हैं?
            कालीन से लाल शराब का दाग कैसे निकालें?
            बगीचे में टमाटर कब लगाए जाते हैं?
            बिल्लियाँ घुरघुराती क्यों हैं?
            मोना लिसा किसने बनाई?
            वायलिन में कितने तार होते हैं?
            साही सर्दियों में क्या खाते हैं?
            दूध से पनीर कैसे बनता है?
            समुद्र खारा क्यों होता है?
            मफलर कैसे बुनते हैं?
            सबसे ऊँचा कौन सा पक्षी उड़ता है?""",
        "zh": """
            鸡蛋要煮多久？
            哪颗行星的卫星最多？
            怎么去掉地毯上的红酒渍？
            什么时候在花园里种番茄？
            猫为什么会打呼噜？
            蒙娜丽莎是谁画的？
            小提琴有几根弦？
            刺猬冬天吃什么？
            怎样用牛奶做奶酪？
            海水为什么是咸的？
            围巾怎么织？
            哪种鸟飞得最高？""",
        "ja": """
            卵は何分ゆでればいいですか？
            衛星が一番多い惑星はどれですか？
            カーペットの赤ワインの染みはどうやって落としますか？
            トマトはいつ庭に植えますか？
            猫はなぜ喉を鳴らすのですか？
            モナリザを描いたのは誰ですか？
            バイオリンの弦は何本ですか？
            ハリネズミは冬に何を食べますか？
            牛乳からチーズはどうやって作りますか？
            海はなぜしょっぱいのですか？
            マフラーはどうやって編みますか？
            一番高く飛ぶ鳥は何ですか？""",
        "ko": """
            계란은 몇 분 동안 삶아야 하나요?
            위성이 가장 많은 행성은 무엇인가요?
            카펫에 묻은 적포도주 얼룩은 어떻게 지우나요?
            토마토는 언제 정원에 심나요?
            고양이는 왜 가르랑거리나요?
            모나리자는 누가 그렸나요?
            바이올린의 줄은 몇 개인가요?
            고슴도치는 겨울에 무엇을 먹나요?
            우유로 치즈를 어떻게 만드나요?
            바닷물은 왜 짠가요?
            목도리는 어떻게 뜨나요?
            가장 높이 나는 새는 무엇인가요?""",
        "vi": """
            Luộc trứng mất bao lâu?
            Hành tinh nào có nhiều mặt trăng nhất?
            Làm sao tẩy vết rượu vang đỏ trên thảm?
            Khi nào nên trồng cà chua trong vườn?
            Tại sao mèo kêu gừ gừ?
            Ai đã vẽ bức Mona Lisa?
            Đàn vĩ cầm có mấy dây?
            Con nhím ăn gì vào mùa đông?
            Làm phô mai từ sữa như thế nào?
            Vì sao nước biển mặn?
            Đan khăn quàng cổ như thế nào?
            Loài chim nào bay cao nhất?""",
        "id": """
            Berapa lama telur harus direbus?
            Planet mana yang memiliki bulan paling banyak?
            Bagaimana cara menghilangkan noda anggur merah dari karpet?
            Kapan tomat ditanam di kebun?
            Mengapa kucing mendengkur?
            Siapa yang melukis Mona Lisa?
            Berapa senar yang dimiliki biola?
            Apa makanan landak di musim dingin?
            Bagaimana keju dibuat dari susu?
            Mengapa air laut asin?
            Bagaimana cara merajut syal?
            Burung apa yang terbang paling tinggi?""",
        "th": """
            ต้มไข่นานเท่าไร
            ดาวเคราะห์ดวงไหนมีดวงจันทร์มากที่สุด
            จะเอาคราบไวน์แดงออกจากพรมได้อย่างไร
            ควรปลูกมะเขือเทศในสวนเมื่อไร
            ทำไมแมวถึงครางครืดๆ
            ใครวาดภาพโมนาลิซา
            ไวโอลินมีกี่สาย
            เม่นกินอะไรในฤดูหนาว
            ทำชีสจากนมได้อย่างไร
            ทำไมน้ำทะเลจึงเค็ม
            ถักผ้าพันคออย่างไร
            นกชนิดใดบินสูงที่สุด""",
        "el": """
            Πόση ώρα βράζει ένα αυγό;
            Ποιος πλανήτης έχει τα περισσότερα φεγγάρια;
            Πώς βγαίνει το κόκκινο κρασί από το χαλί;
            Πότε φυτεύονται οι ντομάτες στον κήπο;
            Γιατί γουργουρίζουν οι γάτες;
            Ποιος ζωγράφισε τη Μόνα Λίζα;
            Πόσες χορδές έχει το βιολί;
            Τι τρώνε οι σκαντζόχοιροι τον χειμώνα;
            Πώς φτιάχνεται το τυρί από γάλα;
            Γιατί είναι αλμυρή η θάλασσα;
            Πώς πλέκω ένα κασκόλ;
            Ποιο πουλί πετάει πιο ψηλά;""",
        "he": """
            כמה זמן צריך לבשל ביצה?
            לאיזה כוכב לכת יש הכי הרבה ירחים?
            איך מוציאים כתם יין אדום משטיח?
            מתי שותלים עגבניות בגינה?
            למה חתולים מגרגרים?
            מי צייר את המונה ליזה?
            כמה מיתרים יש לכינור?
            מה אוכלים קיפודים בחורף?
            איך עושים גבינה מחלב?
            למה הים מלוח?
            איך סורגים צעיף?
            איזו ציפור עפה הכי גבוה?""",
    }
)
